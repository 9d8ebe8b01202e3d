"""llm.toml and llm.lock beside the installed files, for what llmgen itself runs there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import PurePosixPath
from typing import Any

from llmgen.artifacts import Artifact
from llmgen.config.load import overlay
from llmgen.config.source import Source
from llmgen.layout import Layout
from llmgen.render.header import OWNER, comment

TARGET = "install"


def kept(sources: Sequence[Source], lock: bytes, place: Layout) -> Iterator[Artifact]:
    """The artifacts that the timer of [guard] reads; overlaid files become one."""
    if len(sources) == 1:
        text = sources[0].text
    else:
        merged: dict[str, Any] = reduce(overlay, (dict(item.document) for item in sources))
        text = f"{comment(OWNER)}\n{toml(merged)}"
    for name, content in (("llm.toml", text.encode()), ("llm.lock", lock)):
        path = PurePosixPath(TARGET, name)
        yield Artifact(path, content, TARGET, install=place.config / name)


def toml(document: Mapping[str, Any]) -> str:
    """A document as TOML, every top-level key on one line."""
    return "".join(f"{_key(name)} = {_value(value)}\n" for name, value in document.items())


def _value(value: object) -> str:
    match value:
        case Mapping():
            pairs = ", ".join(f"{_key(str(key))} = {_value(item)}" for key, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case float() if value in (float("inf"), float("-inf")):
            return "inf" if value > 0 else "-inf"
        case _:
            # A JSON string is a TOML string but for DEL, which TOML wants escaped.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
