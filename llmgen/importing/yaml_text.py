"""YAML of strangers as plain values, in bounded time and memory."""

from __future__ import annotations

from typing import Any, Final

import yaml

# What all aliases and merges of a file may come to; the largest real configurations have a few
# thousand values.
MOST_VALUES: Final = 100_000

# Beside its own errors, these are what the loader's conversions raise: `!!bool x`, a date that is
# none, a number of 5,000 digits.
_NO_VALUE: Final = (
    yaml.YAMLError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class Unreadable(ValueError):
    """The text is no YAML, or one that is written to fill memory."""


def read_yaml(text: str) -> Any:  # noqa: ANN401 - any YAML
    """The document; Unreadable says why there is none."""
    try:
        return _document(yaml.SafeLoader(text))
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except _NO_VALUE as error:
        raise Unreadable(str(error).partition("\n")[0]) from None


def _document(loader: yaml.SafeLoader) -> Any:  # noqa: ANN401 - any YAML
    node = loader.get_single_node()
    if node is None:
        return None
    if _values(node, {}) > MOST_VALUES:
        raise Unreadable("its aliases come to more values than a configuration has")
    return loader.construct_document(node)


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node comes to when every alias in it is followed."""
    if id(node) in known:
        return known[id(node)]
    # A node that holds itself comes to more than any limit.
    known[id(node)] = MOST_VALUES + 1
    match node:
        case yaml.MappingNode():
            parts = [part for pair in node.value for part in pair]
        case yaml.SequenceNode():
            parts = node.value
        case _:
            parts = []
    known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]
