"""Secrets by reference: placeholders in generated files, and a list of what fills them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final, Literal

from msgspec import Struct

from llmgen.config.tables.base import PLACEHOLDER, Secret
from llmgen.errors import Diagnostic, InputError
from llmgen.gateway.remotes import Remote, remote, servers
from llmgen.layout import Layout, expand
from llmgen.plan.plan import Plan

Syntax = Literal["yaml", "env", "line"]
# The manifest of a service, beside the files that it fills.
MANIFEST: Final = "keys.json"

_PLACEHOLDER = re.compile(rf"{PLACEHOLDER}([A-Za-z0-9._:/-]+)@")
# What a header value and a quoted string of every syntax can carry unchanged.
_VALUE = re.compile(r"[\x21-\x7e]+")


class PlaceholderFile(Struct, frozen=True):
    """A generated file with placeholders, and the syntax between whose quotes they stand.

    In a `line` nothing is quoted: the secret is all of it.
    """

    name: str
    syntax: Syntax


class Manifest(Struct, frozen=True):
    """What ``llmgen keys`` does for one service: which files, in which order, from which secrets.

    ``into`` is the private folder. Values of the ``distinct`` secrets must differ. ``owner`` is
    whose the filled files are when root fills them: (UID, GID).
    """

    into: PurePosixPath
    files: tuple[PlaceholderFile, ...]
    secrets: Mapping[str, Secret]
    distinct: tuple[str, ...] = ()
    owner: tuple[int, int] | None = None

    def content(self) -> bytes:
        """The manifest as a file; references only."""
        document = {
            "into": str(self.into),
            "files": [{"name": item.name, "syntax": item.syntax} for item in self.files],
            "secrets": {
                name: secret.model_dump(exclude_none=True) for name, secret in self.secrets.items()
            },
            "distinct": list(self.distinct),
            **({"owner": list(self.owner)} if self.owner else {}),
        }
        return (json.dumps(document, indent=2) + "\n").encode()


def read_manifest(content: bytes) -> Manifest:
    """Read a manifest back."""
    document = json.loads(content)
    return Manifest(
        PurePosixPath(document["into"]),
        tuple(PlaceholderFile(item["name"], item["syntax"]) for item in document["files"]),
        {name: Secret(**item) for name, item in document["secrets"].items()},
        tuple(document["distinct"]),
        tuple(document["owner"]) if "owner" in document else None,
    )


def placeholder(name: str) -> str:
    """What stands for a secret in a generated file, between double quotes."""
    return f"{PLACEHOLDER}{name}@"


def fill(text: str, values: Mapping[str, str], syntax: Syntax) -> str:
    """Replace every placeholder by its value, escaped for double quotes of ``syntax``."""
    escaped = {name: _escape(value, syntax) for name, value in values.items()}
    return _PLACEHOLDER.sub(lambda found: escaped.get(found[1], found[0]), text)


def _escape(value: str, syntax: Syntax) -> str:
    if syntax == "line":
        return value
    return re.sub(r'(["\\])' if syntax == "yaml" else r'(["\\$`])', r"\\\1", value)


def check_values(manifest: Manifest, values: Mapping[str, str]) -> None:
    """InputError when a value cannot be a key, or two clients share one; shows no value."""
    found = [
        Diagnostic(
            "keys.unusable",
            f"the secret `{name}` is empty or has spaces, control or non-ASCII characters",
            hint="a key is one line of printable ASCII; `openssl rand -hex 24` makes one",
        )
        for name, value in values.items()
        if not _VALUE.fullmatch(value)
    ]
    seen: dict[str, str] = {}
    for name in manifest.distinct:
        other = seen.setdefault(values[name], name)
        if other != name:
            found.append(
                Diagnostic(
                    "keys.same",
                    f"`{other}` and `{name}` have the same key",
                    hint="give every client a key of its own, or it cannot be revoked alone",
                )
            )
    if found:
        raise InputError(found)


def backend_secrets(plan: Plan) -> dict[str, Secret]:
    """The keys that servers behind a gateway want, by the names that backends carry."""
    services = plan.library.config.services
    swap, router = services.llama_swap.api_keys, services.router.api_keys
    named = {
        "llama-server": services.api_key,
        "llama-swap": swap[0] if swap else None,
        "router": router[0] if router else None,
        **{f"external.{name}": item.api_key for name, item in plan.library.external.items()},
    }
    doors = {item.key: item.secret for item in _doors(plan)}
    return {name: secret for name, secret in {**named, **doors}.items() if secret is not None}


def _doors(plan: Plan) -> Iterator[Remote]:
    """Every server of a model that has several on other machines."""
    for placed in plan.placements:
        yield from map(remote, placed.model.failover)
    for item in plan.library.external.values():
        if item.failover:
            yield from map(remote, servers(item))


def absolute(secret: Secret, layout: Layout) -> Secret:
    """The same reference with a whole path, since a service starts in another folder."""
    if secret.file is None:
        return secret
    return Secret(file=str(layout.config / expand(secret.file, layout.home, ("paths", "home"))))
