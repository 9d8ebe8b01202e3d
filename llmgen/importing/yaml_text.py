"""YAML of strangers as plain values, in bounded time and memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

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
_PLAIN: Final = {
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "tag:yaml.org,2002:int": (
        r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)",
        "-+0123456789",
    ),
    "tag:yaml.org,2002:float": (
        (
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        "-+0123456789.",
    ),
}


class UnreadableYaml(ValueError):
    """The text is no YAML, or one that is written to fill memory."""


class YamlDocument(NamedTuple):
    """One document of a text, where each of its top-level tables stands, and keys written twice."""

    value: Any
    twice: tuple[str, ...] = ()
    lines: Mapping[tuple[str, str], int] = {}


class _GoLoader(yaml.SafeLoader):
    """Plain words as Go's yaml.v3 takes them: `on` and `12:30` are texts, `1e3` is a number."""


_GoLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0].endswith((":merge", ":null"))]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, (_pattern, _first) in _PLAIN.items():
    _GoLoader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def read_yaml(text: str, loader: type[yaml.SafeLoader] = _GoLoader) -> Any:  # noqa: ANN401 - YAML
    """The first document's value; Unreadable says why there is none."""
    return next((document.value for document in read_documents(text, loader)), None)


def read_documents(text: str, loader: type[yaml.SafeLoader] = _GoLoader) -> list[YamlDocument]:
    """Every document of a text."""
    try:
        return [*_documents(loader(text))]
    except RecursionError:
        raise UnreadableYaml("it is nested too deeply") from None
    except _NO_VALUE as error:
        raise UnreadableYaml(str(error).partition("\n")[0]) from None


def as_python_reads(text: str) -> Any:  # noqa: ANN401 - any YAML
    """The first document as PyYAML's own loader reads it, with `yes` and `on` for true."""
    return read_yaml(text, yaml.SafeLoader)


def _documents(loader: yaml.SafeLoader) -> Iterator[YamlDocument]:
    values = 0
    while loader.check_node():
        node = loader.get_node()
        if node is None:
            return
        values += _values(node, {})
        if values > MOST_VALUES:
            raise UnreadableYaml("its aliases come to more values than a configuration has")
        # Merges are resolved in the nodes while a document is made of them.
        twice, lines = tuple(_twice(node, "")), dict(_lines(node))
        yield YamlDocument(loader.construct_document(node), twice, lines)


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node comes to when every alias in it is followed."""
    if id(node) in known:
        return known[id(node)]
    # A node that holds itself comes to more than any limit.
    known[id(node)] = MOST_VALUES + 1
    known[id(node)] = 1 + sum(_values(part, known) for part in _parts(node))
    return known[id(node)]


def _parts(node: yaml.Node) -> list[yaml.Node]:
    match node:
        case yaml.MappingNode():
            return [part for pair in node.value for part in pair]
        case yaml.SequenceNode():
            return list(node.value)
        case _:
            return []


def _twice(node: yaml.Node, path: str) -> Iterator[str]:
    """Keys that a table has twice, of which one is lost."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item, path)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if name in seen and name != "<<":
            yield f"{path}{name}"
        seen.add(name)
        yield from _twice(value, f"{path}{name}.")


def _lines(node: yaml.Node) -> Iterator[tuple[tuple[str, str], int]]:
    """(table, key) and the line, counted from 0, of every key of every top-level table."""
    for key, value in _pairs(node):
        for inner, _ in _pairs(value):
            yield (str(key.value), str(inner.value)), inner.start_mark.line


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []
