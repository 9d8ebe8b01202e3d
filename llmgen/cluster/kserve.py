"""What KServe decides by itself about the pods that it starts."""

from __future__ import annotations

from typing import Final

# Where KServe's Service of an LLMInferenceService leads to, whatever its pods say (v0.16, v0.17).
PORT: Final = 8000


def is_text(role: str) -> bool:
    """Whether a model of the role is an LLMInferenceService."""
    return role in ("chat", "vision", "completion")
