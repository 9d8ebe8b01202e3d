"""Secrets of llm.toml as entries of the one Secret that the stack has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from llmgen.config.tables.base import Secret
from llmgen.errors import Diagnostic, PlanError
from llmgen.gateway.secrets import MANIFEST, Manifest, read_manifest

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import App, Scene

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


def wanted(scene: Scene) -> tuple[str, ...]:
    """Every entry that the Secret has to have, sorted."""
    token = scene.table.storage.hub_token
    found = {entry(token)} if token is not None else set()
    for app in scene.apps:
        filled = manifest(app)
        found |= {*entries(app.container.secrets).values()}
        found |= {*entries(filled.secrets).values()} if filled else set()
    return tuple(sorted(found))
