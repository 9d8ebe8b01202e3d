"""Files of objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from llmgen.artifacts import Artifact
from llmgen.render.blocks import blocks
from llmgen.render.header import OWNER, comment
from llmgen.targets.kubernetes.names import NAME, Object


def text(items: Sequence[Object]) -> str:
    """The objects as documents of one file."""
    return f"{comment(OWNER)}\n" + "---\n".join(blocks(item) for item in items)


def file(path: PurePosixPath, items: Sequence[Object]) -> Artifact:
    """A file with the objects."""
    return Artifact(path, text(items).encode(), NAME)
