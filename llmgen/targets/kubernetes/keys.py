"""Secrets of llm.toml as entries of the one Secret that the stack has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from llmgen.config.tables.base import Secret
from llmgen.errors import Diagnostic, PlanError
from llmgen.gateway.secrets import MANIFEST, Manifest, absolute, read_manifest
from llmgen.targets.secrets import spoken

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import App, ClusterScene

# What an entry of a Secret may be called.
_ENTRY: Final = re.compile(r"[-._A-Za-z0-9]{1,253}")


def entry(secret: Secret) -> str:
    """The entry with it: called like the variable, the credential or the file."""
    name = secret.env or secret.credential or PurePosixPath(secret.file or "").name
    if not _ENTRY.fullmatch(name) or name in (".", ".."):
        raise PlanError(
            Diagnostic(
                "kubernetes.secret",
                f"`{name}` cannot be the name of an entry of a Secret",
                ("kubernetes", "secret"),
                hint='`{ env = "NAME" }` names the entry `NAME`',
            )
        )
    return name


def manifest(app: App) -> Manifest | None:
    """What is filled into the files of an app before it starts."""
    found = [item for item in app.files if item.path.name == MANIFEST]
    own = [item for item in found if item.path.parts[0] != "secrets"]
    return read_manifest(own[0].content) if own else None


def entries(secrets: Mapping[str, Secret] | Iterable[tuple[str, Secret]]) -> dict[str, str]:
    """The entry of each secret, by the name that it has in the program's files."""
    return {name: entry(secret) for name, secret in dict(secrets).items()}


def wanted(scene: ClusterScene) -> tuple[str, ...]:
    """Every entry that the Secret has to have, sorted; PlanError where two secrets share one."""
    return tuple(sorted(by_entry(_secrets(scene))))


def _secrets(scene: ClusterScene) -> Iterator[Secret]:
    """Every secret that pods read, with whole paths: then those that are the same look so."""
    token = scene.table.storage.hub_token
    for app in scene.apps:
        filled = manifest(app)
        found = [*dict(app.container.secrets).values()]
        found += filled.secrets.values() if filled else ()
        found += [token] if token is not None else []
        yield from (absolute(item, app.plan.library.layout) for item in found)


def by_entry(secrets: Iterable[Secret]) -> dict[str, Secret]:
    """The secrets by their entries; PlanError where one would be read as another."""
    found: dict[str, Secret] = {}
    for item in secrets:
        name = entry(item)
        other = found.setdefault(name, item)
        if other != item:
            raise PlanError(
                Diagnostic(
                    "kubernetes.same-entry",
                    f"the secrets {spoken(other)} and {spoken(item)} would both be the entry "
                    f"`{name}`",
                    ("kubernetes", "secret"),
                    hint='another name for one of the two; or `{ env = "NAME" }`, whose entry is '
                    "`NAME`",
                )
            )
    return found
