"""The memory of one compute buffer, taken and given back as ggml does (``ggml-alloc.c``)."""

from __future__ import annotations

from typing import Final

_ALIGNMENT: Final = 128
_ENDLESS: Final = 1 << 62


class Arena:
    """Blocks go into the smallest hole that they fit, else to the end, which ``peak`` is."""

    def __init__(self) -> None:
        """Start with nothing but the endless rest."""
        self.peak = 0
        self._holes: list[tuple[int, int]] = [(0, _ENDLESS)]
        self._sizes: dict[int, int] = {}

    def take(self, size: int) -> int:
        """The place of a new block."""
        size = -(-size // _ALIGNMENT) * _ALIGNMENT
        inner = [(room, -at) for at, room in self._holes[:-1] if room >= size]
        at = -min(inner)[1] if inner else self._holes[-1][0]
        index = next(i for i, hole in enumerate(self._holes) if hole[0] == at)
        room = self._holes[index][1]
        self._holes[index : index + 1] = [(at + size, room - size)] if room > size else []
        self._sizes[at] = size
        self.peak = max(self.peak, at + size)
        return at

    def give(self, at: int) -> None:
        """Free a block; holes that touch become one."""
        holes = sorted([*self._holes, (at, self._sizes.pop(at))])
        merged = holes[:1]
        for start, room in holes[1:]:
            last, length = merged[-1]
            if last + length == start:
                merged[-1] = (last, length + room)
            else:
                merged.append((start, room))
        self._holes = merged

    @property
    def holes(self) -> tuple[tuple[int, int], ...]:
        """Place and size of everything free."""
        return tuple(self._holes)

    def move(self, at: int, size: int) -> int:
        """Free a block after its successor was taken."""
        successor = self.take(size)
        self.give(at)
        return successor
