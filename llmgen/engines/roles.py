"""What models are for."""

from __future__ import annotations

from typing import Literal

Role = Literal[
    "chat", "completion", "embedding", "rerank", "vision", "transcription", "speech", "image"
]
