"""Where each key and value of a TOML text is written.

The text has been parsed by tomllib before, so this only finds where tokens end; it never judges.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from msgspec import Struct, field

from llmgen.errors import KeyPath

_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\r\n]+")


class Span(Struct, frozen=True):
    """Characters ``start`` up to, not including, ``end``."""

    start: int
    end: int


class Located(Struct, frozen=True):
    """The spans of a key and of its value; of a table, its name and its header."""

    key: Span
    value: Span


def locate(text: str) -> dict[KeyPath, Located]:
    """Every key path of a valid TOML text."""
    scan = _Scan(text)
    scan.document()
    return scan.found


class _Scan(Struct):
    text: str
    at: int = 0
    found: dict[KeyPath, Located] = field(default_factory=dict)
    # How many elements each array of tables has so far.
    rows: dict[KeyPath, int] = field(default_factory=dict)

    def document(self) -> None:
        table: KeyPath = ()
        self.pass_over(_GAP)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.pass_over(_GAP)

    def pass_over(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]

    def dotted(self) -> list[tuple[str, Span]]:
        """The parts of a key, each with its own span."""
        parts = []
        while True:
            self.pass_over(_BLANK)
            start = self.at
            raw = self.pass_over(_BARE) or self.pass_over(_QUOTED)
            name = tomllib.loads(f"k = {raw}")["k"] if raw[:1] in ('"', "'") else raw
            parts.append((name, Span(start, self.at)))
            self.pass_over(_BLANK)
            if self.text[self.at : self.at + 1] != ".":
                return parts
            self.at += 1

    def header(self) -> KeyPath:
        """``[a.b]`` or ``[[a.b]]``; the path that following keys are below."""
        start = self.at
        brackets = 2 if self.text.startswith("[[", start) else 1
        self.at += brackets
        parts = self.dotted()
        self.at += brackets
        whole = Span(start, self.at)
        path: KeyPath = ()
        for index, (name, span) in enumerate(parts):
            path = (*path, name)
            self.found.setdefault(path, Located(span, whole))
            if index == len(parts) - 1 and brackets == 2:
                self.rows[path] = self.rows.get(path, -1) + 1
            if path in self.rows:
                path = (*path, self.rows[path])
                self.found.setdefault(path, Located(span, whole))
        if brackets == 1:
            # Its own header is a better place than a mention in a longer one before it.
            self.found[path] = Located(parts[-1][1], whole)
        return path

    def pair(self, table: KeyPath) -> None:
        parts = self.dotted()
        self.at += 1
        self.pass_over(_BLANK)
        start, path = self.at, (*table, *(name for name, _ in parts))
        self.value(path)
        whole = Span(start, self.at)
        for index, (_, span) in enumerate(parts):
            self.found.setdefault((*table, *path[len(table) : len(table) + index + 1]),
                                  Located(span, whole))  # fmt: skip

    def value(self, path: KeyPath) -> None:
        match self.text[self.at]:
            case "[":
                for index, _ in enumerate(self.items("]")):
                    start = self.at
                    self.value((*path, index))
                    whole = Span(start, self.at)
                    self.found.setdefault((*path, index), Located(whole, whole))
            case "{":
                for _ in self.items("}"):
                    self.pair(path)
            case '"' | "'":
                self.pass_over(_QUOTED)
            case _:
                plain = self.pass_over(_PLAIN)
                self.at -= len(plain) - len(plain.rstrip(" \t"))

    def items(self, close: str) -> Iterator[None]:
        """Stop before each element of an array or inline table; the caller passes over it."""
        self.at += 1
        self.pass_over(_GAP)
        while self.text[self.at] != close:
            yield None
            self.pass_over(_GAP)
            if self.text[self.at] == ",":
                self.at += 1
                self.pass_over(_GAP)
        self.at += 1
