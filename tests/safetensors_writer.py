"""Header-only safetensors files: a length, the JSON, and a hole where the data would be."""

from __future__ import annotations

import json
import struct
from pathlib import Path

BITS = {"F4": 4, "F8_E4M3": 8, "F8_E8M0": 8, "U8": 8, "I8": 8, "BF16": 16, "F16": 16}
BITS |= {"F32": 32, "I32": 32, "I64": 64}


def header(tensors, metadata=None):
    """The bytes before the data, and the data's size; ``tensors`` are name -> (type, shape)."""
    entries = {"__metadata__": metadata or {"format": "pt"}}
    at = 0
    for name, (kind, shape) in tensors.items():
        size = BITS[kind]
        for dimension in shape:
            size *= dimension
        entries[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + size // 8]}
        at += size // 8
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, at


def write_checkpoint(folder: Path, tensors, config, shards=1):
    """A folder with config.json and sparse weights, split into ``shards`` files with an index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    names = list(tensors)
    weight_map = {}
    for number in range(shards):
        part = {name: tensors[name] for name in names[number::shards]}
        file = "model.safetensors"
        if shards > 1:
            file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        head, data = header(part)
        with (folder / file).open("wb") as out:
            out.write(head)
            out.truncate(len(head) + data)
        weight_map |= dict.fromkeys(part, file)
    if shards > 1:
        index = {"metadata": {}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
