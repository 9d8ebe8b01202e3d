"""A byte source over bytes that counts what is read, and claims any size."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmgen.units import MIB


@dataclass
class Bytes:
    data: bytes
    name: str = "model.gguf"
    size: int = -1
    reads: list[tuple[int, int]] = field(default_factory=list)
    largest_piece: int = 4 * MIB

    def __post_init__(self):
        if self.size < 0:
            self.size = len(self.data)

    def read_at(self, offset, size):
        self.reads.append((offset, size))
        return self.data[offset : offset + size]

    @property
    def bytes_read(self):
        return sum(size for _, size in self.reads)
