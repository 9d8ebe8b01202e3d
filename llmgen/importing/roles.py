"""What a program that llmgen does not model is for, by the words of its command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

# The first that stands anywhere in a command or a name decides.
_WORDS: Final = (
    ("rerank", "rerank"),
    ("whisper", "transcription"),
    ("parakeet", "transcription"),
    ("transcri", "transcription"),
    ("stable-diffusion", "image"),
    ("sd-server", "image"),
    ("comfyui", "image"),
    ("sdxl", "image"),
    ("flux", "image"),
    ("kokoro", "speech"),
    ("piper", "speech"),
    ("tts", "speech"),
    ("speech", "speech"),
    ("embed", "embedding"),
    ("infinity", "embedding"),
)


def role_of(words: Iterable[str]) -> str:
    """The role; chat where nothing says another."""
    text = " ".join(words).lower()
    return next((role for word, role in _WORDS if word in text), "chat")
