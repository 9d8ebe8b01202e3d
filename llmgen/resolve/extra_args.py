"""Free words of llama-server's command line: what the plan has to know, and what no build takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from llmgen.errors import Diagnostic, Severity
from llmgen.options import BY_FLAG, grouped, joined, nearest, refused_extra, spelled
from llmgen.server_help import BUILD, FALSEY, TRUTHY, HelpOption, by_spelling

CODE: Final = "models.extra-argument"
_NUMBERS: Final = frozenset({"N", "INDEX", "SECONDS", "SIMILARITY", "P", "L", "PORT", "SEED"})
_NUMBER = re.compile(r"\s*[+-]?(?:\d|\.\d|inf|nan)", re.IGNORECASE)


def findings(name: str, words: Sequence[str], build: int) -> Iterator[Diagnostic]:
    """Every word that cannot stay, with the key or the option that was meant."""
    planned = {index: (word, key) for index, word, key in refused_extra(words)}
    spaced = dict(joined(words))
    for index, (word, key) in planned.items():
        yield _found(
            name, index, f"`{word}` in `extra_args` of `{name}` sets what llmgen plans with",
            f"use the key `{key}`" if key else "leave it out: llmgen sets it",
        )  # fmt: skip
    for index, word in spaced.items():
        yield _found(
            name, index,
            f"`{word}` in `extra_args` of `{name}` is one word with a space, which no option has",
            f"write each word by itself: `{json.dumps(word.split())[1:-1]}`",
        )  # fmt: skip
    index = 0
    for word, values in grouped(words):
        known = index in planned or index in spaced
        if not known and (said := wrong(word, values)) is not None:
            sentence, hint = said
            # For another build than the listed one it may be right.
            severity = Severity.ERROR if build == BUILD else Severity.WARNING
            message = f"`{words[index]}` in `extra_args` of `{name}` {sentence}"
            yield _found(name, index, message, hint, severity)
        index += 1 + len(values)


def wrong(word: str, values: Sequence[str]) -> tuple[str, str] | None:
    """What is wrong with an option and its values for the listed build, and what to do."""
    option = by_spelling().get(word)
    if option is None:
        if word in BY_FLAG:
            return None
        what = "is no option of" if spelled(word) else "is no option and no option's value for"
        near = nearest(word)
        return f"{what} llama-server b{BUILD}", (
            f"did you mean `{near}`?" if near else f"`llama-server --help` lists those of b{BUILD}"
        )
    if option.removed:
        return f"is gone: llama-server b{BUILD} does not start with it", "leave it out"
    if len(values) < option.takes:
        return "stands without its value", f"`{word}` takes {_wanted(option)}"
    wrong = [value for value in values if not takes(option, value)]
    if wrong:
        return f"does not take `{wrong[0]}`", f"`{word}` takes {_wanted(option)}"
    return None


def _wanted(option: HelpOption) -> str:
    """What it takes, in words where the help has a letter."""
    if option.value in _NUMBERS:
        return "a number"
    return f"`{option.value}`"


def takes(option: HelpOption, value: str) -> bool:
    """Whether the option takes this value, as far as its help says what it takes."""
    match option.value[:1]:
        case "{":
            return value in option.value.strip("{}").split(",")
        case "[" if option.value.startswith("[on|off"):
            known = (*TRUTHY, *FALSEY)
            return value in known or ("auto" in option.value and value in ("auto", "-1"))
        case "<" if option.value[1:2].isdigit():
            return _NUMBER.match(value) is not None
        case _:
            number = option.value in _NUMBERS or option.takes == 2
            return not number or _NUMBER.match(value) is not None


def _found(
    name: str, index: int, message: str, hint: str, severity: Severity = Severity.ERROR
) -> Diagnostic:
    key = ("models", name, "extra_args", index)
    return Diagnostic(CODE, message, key, hint=hint, severity=severity)
