"""One request of each kind, as small as the server takes: memory of the first answer is used."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

_WORDS: Final = "Say in one sentence what memory is."
_RATE: Final = 16000


class ServerRequest(Struct, frozen=True):
    """A request: JSON, or a form with one file."""

    path: str
    body: Mapping[str, Any]
    file: bytes = b""


def asked(role: str, model: str) -> ServerRequest | None:
    """What a model of this role is asked; None where nothing is known to ask."""
    match role:
        case "chat" | "vision":
            messages = [{"role": "user", "content": _WORDS}]
            body = {"model": model, "messages": messages, "max_tokens": 16}
            return ServerRequest("/v1/chat/completions", body)
        case "completion":
            return ServerRequest(
                "/v1/completions", {"model": model, "prompt": _WORDS, "max_tokens": 16}
            )
        case "embedding":
            return ServerRequest("/v1/embeddings", {"model": model, "input": _WORDS})
        case "rerank":
            documents = [_WORDS, "Memory is where bytes are kept."]
            return ServerRequest(
                "/v1/rerank", {"model": model, "query": "memory", "documents": documents}
            )
        case "transcription":
            return ServerRequest("/v1/audio/transcriptions", {"model": model}, file=silence())
        case "speech":
            return ServerRequest(
                "/v1/audio/speech", {"model": model, "input": _WORDS, "voice": "alloy"}
            )
        case "image":
            body = {"model": model, "prompt": "a lighthouse", "n": 1, "size": "512x512"}
            return ServerRequest("/v1/images/generations", body)
        case _:
            return None


def silence(seconds: int = 1) -> bytes:
    """A WAV file of 16 kHz in which nobody speaks."""
    data = bytes(2 * _RATE * seconds)
    head = struct.pack("<4sI4s4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16)
    return (
        head + struct.pack("<2H2I2H4sI", 1, 1, _RATE, 2 * _RATE, 2, 16, b"data", len(data)) + data
    )
