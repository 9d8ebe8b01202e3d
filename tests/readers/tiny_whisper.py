"""A whisper model of a few kilobytes: right in every header, without weights.

whisper.cpp's loader takes a file without tensors as "empty model for testing" (src/whisper.cpp
`whisper_model_load`): it allocates all of them, so the server runs, and hears nothing.
"""

from __future__ import annotations

import struct
import wave
from pathlib import Path

# The sizes of multilingual tiny in what the loader looks at (vocabulary, audio layers), else the least.
HEADER = {
    "n_vocab": 51865,
    "n_audio_ctx": 1500,
    "n_audio_state": 64,
    "n_audio_head": 1,
    "n_audio_layer": 4,
    "n_text_ctx": 448,
    "n_text_state": 64,
    "n_text_head": 1,
    "n_text_layer": 1,
    "n_mels": 80,
    "ftype": 1,
}
MAGIC = 0x67676D6C


def write_model(path: Path) -> Path:
    """The model file."""
    filters = (80, 201)
    with path.open("wb") as file:
        file.write(struct.pack("<I11i", MAGIC, *HEADER.values()))
        file.write(struct.pack("<2i", *filters))
        file.write(bytes(4 * filters[0] * filters[1]))
        # Those that its filters of logits look up.
        words = [b" ", b" -", b" '", b""]
        file.write(struct.pack("<i", len(words)))
        for word in words:
            file.write(struct.pack("<I", len(word)) + word)
    return path


def write_silence(path: Path, seconds: float = 1.0) -> Path:
    """A recording in which nobody speaks, 16 kHz, mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(2 * int(16000 * seconds)))
    return path
