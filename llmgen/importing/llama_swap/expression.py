"""The expressions of a llama-swap matrix: `a & (b | c)`, `+other`, and the sets they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_TOKEN: Final = re.compile(r"\s*([&|()]|\+?[A-Za-z0-9_.-]+)\s*")
_DEEPEST: Final = 64
_Family = frozenset[frozenset[str]]


class UnreadableExpression(ValueError):
    """No expression, or one that stands for more sets than can be written."""


def sets_of(
    sets: Mapping[str, str], variables: Mapping[str, str], most: int
) -> tuple[frozenset[str], ...]:
    """Every set of models, each once; Unreadable where they are more than ``most``."""
    reader = _ExpressionReader(sets, variables, most)
    found: dict[frozenset[str], None] = {}
    for name in sets:
        found |= dict.fromkeys(sorted(reader.named(name, 0), key=sorted))
        if len(found) > most:
            raise UnreadableExpression(f"they stand for more than {most} sets")
    return tuple(found)


class _ExpressionReader:
    def __init__(self, sets: Mapping[str, str], variables: Mapping[str, str], most: int) -> None:
        self.sets, self.variables, self.most = sets, variables, most
        # A set that is being read, and one that was.
        self.known: dict[str, _Family | None] = {}

    def named(self, name: str, depth: int) -> _Family:
        """The family of a set by its name."""
        if name not in self.known:
            if name not in self.sets or depth > _DEEPEST:
                raise UnreadableExpression(f"`+{name}` leads nowhere")
            self.known[name] = None
            tokens = self._tokens(self.sets[name])
            self.known[name] = self._either(tokens, depth)
            if tokens:
                raise UnreadableExpression(f"`{self.sets[name]}` does not end")
        found = self.known[name]
        if found is None:
            raise UnreadableExpression(f"`+{name}` leads back to itself")
        return found

    def _tokens(self, text: str) -> list[str]:
        found, at = [], 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise UnreadableExpression(f"`{text}` is no expression")
            found.append(match[1])
            at = match.end()
        return found

    def _either(self, tokens: list[str], depth: int) -> _Family:
        found = self._both(tokens, depth)
        while tokens and tokens[0] == "|":
            tokens.pop(0)
            found = self._few(found | self._both(tokens, depth))
        return found

    def _both(self, tokens: list[str], depth: int) -> _Family:
        found = self._one(tokens, depth)
        while tokens and tokens[0] == "&":
            tokens.pop(0)
            others = self._one(tokens, depth)
            if len(found) * len(others) > self.most**2:
                raise UnreadableExpression(f"they stand for more than {self.most} sets")
            found = self._few(frozenset(left | right for left in found for right in others))
        return found

    def _one(self, tokens: list[str], depth: int) -> _Family:
        word = tokens.pop(0) if tokens else ""
        if word == "(":
            if depth > _DEEPEST:
                raise UnreadableExpression("it is nested too deeply")
            found = self._either(tokens, depth + 1)
            if not tokens or tokens.pop(0) != ")":
                raise UnreadableExpression("a parenthesis stays open")
            return found
        if word.startswith("+"):
            return self.named(word[1:], depth + 1)
        if word in ("", "&", "|", ")"):
            raise UnreadableExpression("an expression has a gap")
        return frozenset({frozenset({self.variables.get(word, word)})})

    def _few(self, found: _Family) -> _Family:
        if len(found) > self.most:
            raise UnreadableExpression(f"they stand for more than {self.most} sets")
        return found
