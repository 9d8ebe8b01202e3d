"""Files as values: path, bytes, mode; the tree of all that llmgen would write; what fills one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Protocol

from msgspec import Struct

from llmgen.errors import Diagnostic, LlmgenError


class Artifact(Struct, frozen=True):
    """One generated file.

    ``path`` is relative to the output folder; ``install`` is where ``llmgen install`` puts it on
    the host (None: it is only for reading or for other tools).
    """

    path: PurePosixPath
    content: bytes
    target: str
    mode: int = 0o644
    install: PurePosixPath | None = None

    @property
    def digest(self) -> str:
        """The content's SHA-256, as hex."""
        return hashlib.sha256(self.content).hexdigest()


class Tree:
    """Artifacts by path; two claims on one path are a bug and refused at construction."""

    __slots__ = ("artifacts",)

    def __init__(self, artifacts: Iterable[Artifact]) -> None:
        """Sort the artifacts by path."""
        found: dict[PurePosixPath, Artifact] = {}
        for artifact in artifacts:
            if artifact.path in found:
                raise LlmgenError(
                    Diagnostic(
                        "render.two-claims",
                        f"`{artifact.path}` is rendered by `{found[artifact.path].target}` "
                        f"and by `{artifact.target}`",
                        hint="name one of the two models differently in llm.toml; "
                        "where no names are alike, please report it",
                    )
                )
            found[artifact.path] = artifact
        self.artifacts = dict(sorted(found.items()))

    def __iter__(self) -> Iterator[Artifact]:
        """Yield the artifacts in path order."""
        return iter(self.artifacts.values())

    def __len__(self) -> int:
        """Count the artifacts."""
        return len(self.artifacts)


class Render(Protocol):
    """Fill a template (its path below ``templates/``) with values; the result ends in a newline."""

    def __call__(self, template: str, /, **values: object) -> bytes: ...
