"""llama-swap's macros, filled in as it does: typed where one stands alone, text elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Macros: TypeAlias = Mapping[str, Any]
# Linux takes no longer word (MAX_ARG_STRLEN).
_LONGEST: Final = 2**17
_MACRO = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")
_HOME = re.compile(r"\$\{env\.HOME\}(?=/|$)")
# What is left of the machine's own variables after the home folder.
MACHINES: Final = re.compile(r"\$\{env\.(\w+)\}")


def macros_of(found: object, below: Macros) -> Macros:
    """The macros of a table over those of the file."""
    if found is None:
        return below
    if not isinstance(found, dict):
        raise TypeError("`macros` is no table")
    return {**below, **{str(key): at_home(value) for key, value in found.items()}}


def expanded(value: Any, macros: Macros) -> Any:  # noqa: ANN401 - any YAML value
    """The value with every macro in it filled in; ValueError where they make too much of it."""
    match value:
        case str():
            return _text(at_home(value), macros)
        case dict():
            return {str(key): expanded(inner, macros) for key, inner in value.items()}
        case list():
            return [expanded(inner, macros) for inner in value]
        case _:
            return value


def spoken(value: object) -> str:
    """A value inside a text, as Go prints it."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return _number(value)
        case None:
            return ""
        case _:
            return str(value)


def at_home(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    """`${env.HOME}` is what llm.toml writes as `~`."""
    return _HOME.sub("~", value) if isinstance(value, str) else value


def _text(text: str, macros: Macros) -> Any:  # noqa: ANN401 - a macro alone keeps its type
    for _ in range(len(macros) + 1):
        alone = _MACRO.fullmatch(text)
        if alone and alone[1] in macros and not isinstance(macros[alone[1]], str):
            return macros[alone[1]]
        coming = sum(len(spoken(macros.get(found[1], ""))) for found in _MACRO.finditer(text))
        if not coming:
            break
        if coming + len(text) > _LONGEST:
            raise ValueError(f"macros make a text of more than {_LONGEST} characters")
        text = _MACRO.sub(
            lambda found: spoken(macros[found[1]]) if found[1] in macros else found[0], text
        )
    return text


def _number(value: float) -> str:
    """Go's `%v`: the shortest digits, with an exponent from a million on."""
    shortest = next(
        text
        for digits in range(18)
        if float(text := f"{value:.{digits}e}") == value or digits == 17
    )
    mantissa, _, exponent = shortest.partition("e")
    if -5 < int(exponent) < 6:
        return repr(value).removesuffix(".0")
    return f"{mantissa}e{int(exponent):+03d}"
