"""The names of a split model's files: ``NAME-00001-of-00003.gguf`` and so on."""

from __future__ import annotations

import re
from typing import Final

from llmgen.facts.refusals import refused

_SHARD: Final = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)
MOST_SHARDS: Final = 1000


def shard(name: str) -> tuple[str, int, int] | None:
    """Stem, number (from 1) and count of a shard's name; None for a whole file."""
    found = _SHARD.fullmatch(name)
    return (found["stem"], int(found["number"]), int(found["count"])) if found else None


def shard_names(first: str, count: int) -> tuple[str, ...]:
    """Every file of the model whose first file is ``first`` and whose header says ``count``."""
    parts = shard(first)
    if parts is not None and parts[1] != 1:
        raise refused(
            "not-first-shard",
            f"`{first}` is part {parts[1]} of a split model",
            f"name `{parts[0]}-00001-of-{parts[2]:05d}.gguf`",
        )
    if count == 1:
        return (first,)
    if parts is None or parts[2] != count or count > MOST_SHARDS:
        raise refused(
            "shard-name",
            f"`{first}` says that it is split into {count} files, which its name does not",
            "give the files the names that llama-gguf-split gave them (-00001-of-0000N.gguf)",
        )
    return tuple(f"{parts[0]}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1))
