"""Answers that are asked for again: bounded, and by the identity of what is too large to hash."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Remembered(Generic[_Value]):
    """The last ``most`` answers by their keys."""

    def __init__(self, most: int) -> None:
        """Know nothing."""
        self._most = most
        self._known: dict[Hashable, tuple[_Value, object]] = {}

    def get(self, key: Hashable, of: object, make: Callable[[], _Value]) -> _Value:
        """The answer to ``key``, made once; ``of`` is kept alive, whose parts a key may name by id.

        What ``make`` raises is not remembered.
        """
        found = self._known.get(key)
        if found is None:
            found = make(), of
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[key] = found
        return found[0]
