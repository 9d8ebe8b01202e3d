"""Regular expressions of --override-tensor, searched in a bounded number of steps.

The server tries every way to match (libstdc++'s std::regex), and so does Python's re: `(.*a)*b`
keeps either busy for years. What may take long is searched here step by step, and given up in time.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from re import _constants as op  # type: ignore[attr-defined]  # no stubs
from re import _parser  # type: ignore[attr-defined]  # no stubs
from typing import Any, Final, Protocol

# A few seconds; a name takes a hundred steps, and a large model has 1,200 of them.
MOST_STEPS: Final = 1_000_000
_SLOW: Final = "tries too many ways to match"
# With up to so many repeats after each other, and none in another, re searches a name of forty
# letters in milliseconds.
_FEW_REPEATS: Final = 4
_REPEATS: Final = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)

_KNOWN: Final = (
    *(*_REPEATS, op.SUBPATTERN, op.BRANCH, op.AT),
    *(op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN),
)


class SearchGivenUp(ValueError):
    """The search was given up; the text says what the expression does."""


class Expression(Protocol):
    """What names are searched with."""

    def search(self, text: str, /) -> object:
        """Something true where the expression matches anywhere in the text."""


@cache
def expression(pattern: str) -> Expression:
    """The expression; re.error where it is none."""
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        try:
            compiled = re.compile(pattern)
            tree = _parser.parse(pattern)
        except (RecursionError, OverflowError) as error:
            raise re.error("it is nested too deeply") from error
    ends_soon = _nesting(tree) < 2 and _unbounded(tree) <= _FEW_REPEATS
    return Known(compiled) if ends_soon else CountedSearch(tree)


class Known:
    """re's own search, once for each name: a plan asks for the same ones again and again."""

    def __init__(self, compiled: re.Pattern[str]) -> None:
        """Search with this expression."""
        self.search = cache(lambda text: compiled.search(text) is not None)


class CountedSearch:
    """A search that counts its steps, over all names together."""

    def __init__(self, tree: Sequence[Any]) -> None:
        """Search with this parsed expression."""
        self._tree = tree
        self._found: dict[str, bool] = {}
        self._left = MOST_STEPS

    def search(self, text: str, /) -> bool:
        """Whether it matches anywhere in the text; TooLong when that is not known in time."""
        if text not in self._found:
            try:
                self._found[text] = any(
                    True for start in range(len(text) + 1) for _ in self._ways(0, text, start)
                )
            except RecursionError as error:
                raise SearchGivenUp(_SLOW) from error
        return self._found[text]

    def _ways(
        self, at: int, text: str, start: int, nodes: Sequence[Any] | None = None
    ) -> Iterator[int]:
        """Where matches of the nodes from ``at`` on may end."""
        tree = self._tree if nodes is None else nodes
        self._left -= 1
        if self._left < 0:
            raise SearchGivenUp(_SLOW)
        if at == len(tree):
            yield start
            return
        code, value = tree[at]
        for end in self._node(code, value, text, start):
            yield from self._ways(at + 1, text, end, tree)

    def _node(self, code: Any, value: Any, text: str, start: int) -> Iterator[int]:  # noqa: ANN401 - re's own
        if code in _REPEATS:
            low, high, inner = value
            yield from self._repeated(low, high, inner, text, start, greedy=code != op.MIN_REPEAT)
        elif code is op.SUBPATTERN:
            yield from self._ways(0, text, start, value[-1])
        elif code is op.BRANCH:
            for branch in value[1]:
                yield from self._ways(0, text, start, branch)
        elif code in (op.ASSERT, op.ASSERT_NOT):
            ahead = any(True for _ in self._ways(0, text, start, value[1]))
            if value[0] > 0 and ahead is (code is op.ASSERT):
                yield start
        elif code is op.AT:
            if _stands(value, text, start):
                yield start
        elif code in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
            if start < len(text) and _is(code, value, text[start]):
                yield start + 1
        else:
            # Back references and the like, of which the cost is not known.
            raise SearchGivenUp("refers to what it found before, which may take any time")

    def _repeated(
        self, low: int, high: Any, inner: Any, text: str, start: int, *, greedy: bool  # noqa: ANN401 - re's own
    ) -> Iterator[int]:  # fmt: skip
        if not greedy and low <= 0:
            yield start
        if high is op.MAXREPEAT or high > 0:
            more = high if high is op.MAXREPEAT else high - 1
            for end in self._ways(0, text, start, inner):
                # What matches nothing would do so for ever.
                if end > start:
                    yield from self._repeated(low - 1, more, inner, text, end, greedy=greedy)
                elif low > 0:
                    yield end
        if greedy and low <= 0:
            yield start


def _is(code: Any, value: Any, letter: str) -> bool:  # noqa: ANN401 - re's own
    if code is op.LITERAL:
        return ord(letter) == int(value)
    if code is op.NOT_LITERAL:
        return ord(letter) != int(value)
    if code is op.ANY:
        return letter != "\n"
    negated = value[0][0] is op.NEGATE
    return bool(negated) != any(_in(kind, what, letter) for kind, what in value[int(negated) :])


def _in(kind: Any, what: Any, letter: str) -> bool:  # noqa: ANN401 - re's own
    if kind is op.RANGE:
        return bool(what[0] <= ord(letter) <= what[1])
    return _CATEGORIES[what](letter) if kind is op.CATEGORY else ord(letter) == int(what)


def _word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


_CATEGORIES: Final[dict[Any, Callable[[str], bool]]] = {
    op.CATEGORY_DIGIT: str.isdecimal,
    op.CATEGORY_NOT_DIGIT: lambda letter: not letter.isdecimal(),
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_NOT_SPACE: lambda letter: not letter.isspace(),
    op.CATEGORY_WORD: _word,
    op.CATEGORY_NOT_WORD: lambda letter: not _word(letter),
}


def _stands(where: Any, text: str, at: int) -> bool:  # noqa: ANN401 - re's own
    if where in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
        return at == 0
    if where in (op.AT_END, op.AT_END_STRING):
        return at == len(text)
    border = (at > 0 and _word(text[at - 1])) != (at < len(text) and _word(text[at]))
    return border is (where is op.AT_BOUNDARY)


def _inner(node: tuple[Any, Any]) -> Iterator[Any]:
    """The sequences inside a node."""
    code, value = node
    if code in _REPEATS:
        yield value[2]
    elif code is op.SUBPATTERN:
        yield value[-1]
    elif code is op.BRANCH:
        yield from value[1]
    elif code in (op.ASSERT, op.ASSERT_NOT):
        yield value[1]


def _nesting(tree: Any) -> int:  # noqa: ANN401 - re's own
    """How deep repeats stand in each other; an alternative in one counts as another."""
    deepest = 0
    for node in tree:
        inner = max((_nesting(part) for part in _inner(node)), default=0)
        own = node[0] in _REPEATS and node[1][1] != 1
        branched = node[0] is op.BRANCH and not inner
        deepest = max(deepest, inner + own + branched, 0 if node[0] in _KNOWN else 2)
    return deepest


def _unbounded(tree: Any) -> int:  # noqa: ANN401 - re's own
    """How many repeats without an end stand in it."""
    return sum(
        (node[0] in _REPEATS and node[1][1] is op.MAXREPEAT)
        + sum(_unbounded(part) for part in _inner(node))
        for node in tree
    )
