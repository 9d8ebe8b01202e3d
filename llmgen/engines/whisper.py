"""whisper.cpp's server: transcriptions, at OpenAI's path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from llmgen.config.tables.base import Count, Word
from llmgen.engines.base import Engine, Listen, Served, flags
from llmgen.engines.keys import Program

_PATH: Final = "/v1/audio/transcriptions"


class WhisperOptions(Program):
    """whisper-server's keys."""

    language: Word | None = None
    """Language that is spoken; `auto` listens for it (`--language`)."""
    convert: bool | None = None
    """Take any audio by way of ffmpeg, not WAV alone (`--convert`)."""
    processors: Annotated[Count, Field(ge=1)] | None = None
    """Parts of one recording that are heard at the same time (`--processors`)."""


_FLAGS: Final = {
    "threads": "--threads",
    "processors": "--processors",
    "language": "--language",
    "convert": "--convert",
}


def words(served: Served, listen: Listen) -> Iterator[str]:
    """Model, address, and the path that clients of OpenAI's know."""
    yield from ("--model", served.model, "--host", listen.host, "--port", listen.port)
    yield from ("--inference-path", _PATH)
    yield from flags(served, _FLAGS)
    yield from served.extra_args


ENGINE: Final = Engine(
    name="whisper",
    summary="whisper.cpp's server: transcriptions",
    program="whisper-server",
    options=WhisperOptions,
    keys=frozenset({*WhisperOptions.model_fields, "model", "threads", "device", "extra_args"}),
    roles=("transcription",),
    paths=(_PATH,),
    container_program="whisper-server",
    words=words,
)
