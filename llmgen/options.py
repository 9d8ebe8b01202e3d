"""What a word of llama-server's command line is: one table answers every such question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from llmgen.budget.shape.header import MOST_LAYERS
from llmgen.option_table import OPTIONS
from llmgen.server_help import by_spelling, by_variable

BY_FLAG: Final = {spelling: option for option in OPTIONS for spelling in option.spellings}
BY_VARIABLE: Final = {option.variable: option for option in OPTIONS if option.variable}
ORDER: Final = {option.flag: index for index, option in enumerate(OPTIONS)}

# Letters of --sampler-seq (common_sampler_types_from_chars in common/sampling.cpp).
SAMPLERS: Final = {
    "d": "dry", "k": "top_k", "y": "typ_p", "p": "top_p", "s": "top_n_sigma", "m": "min_p",
    "t": "temperature", "x": "xtc", "i": "infill", "e": "penalties", "a": "adaptive_p",
}  # fmt: skip
# LLM_FFN_EXPS_REGEX in common/common.h.
_EXPERTS: Final = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"
# Other names of samplers (common_sampler_types_from_names).
_SHORT: Final = {
    "temp": "temperature", "nucleus": "top_p", "typ": "typ_p", "topk": "top_k", "topp": "top_p",
    "minp": "min_p", "typp": "typ_p", "topnsigma": "top_n_sigma", "adaptivep": "adaptive_p",
}  # fmt: skip
# Options that add to those before them, where a comma list does not do the same.
REPEATED: Final = frozenset(
    ("--logit-bias", "-l", "--reverse-prompt", "-r", "--dry-sequence-breaker")
)

_OPTION_WORD = re.compile(r"--?[A-Za-z][^\s=]*")


def spelled(word: str) -> str:
    """The option that a word of a command line is, as the server spells it; empty for a value."""
    found = _OPTION_WORD.match(word)
    if found is None:
        return ""
    # The server reads `--ctx_size` as `--ctx-size`, in long options alone.
    return found[0].replace("_", "-") if found[0].startswith("--") else found[0]


def grouped(words: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each option of a command line, as the server spells it, with the words that belong to it."""
    at = 0
    while at < len(words):
        word = spelled(words[at]) or words[at]
        count = taken(words[at], words[at + 1 :])
        yield word, tuple(words[at + 1 : at + 1 + count])
        at += 1 + count


def taken(word: str, following: Sequence[str]) -> int:
    """How many of the following words belong to an option: as many as its help says.

    Those of an option that nobody knows end before the next one.
    """
    found, option = by_spelling().get(spelled(word)), BY_FLAG.get(spelled(word))
    if found is not None:
        return min(found.takes, len(following))
    if option is not None:
        return min(0 if option.switch else 1, len(following))
    if not spelled(word):
        return 0
    ends = (index for index, other in enumerate(following) if spelled(other))
    return next(ends, len(following))


def experts(layers: int) -> str:
    """The expression of `--n-cpu-moe`; of more layers than any model has, of `--cpu-moe`."""
    if layers > MOST_LAYERS:
        return _EXPERTS
    return rf"blk\.({'|'.join(map(str, range(layers)))}){_EXPERTS}"


def in_order(
    pairs: Sequence[tuple[str, str]], n_cpu_moe: int
) -> tuple[tuple[tuple[str, str], ...], int]:
    """The same with experts behind the other expressions, which the server looks at in its order.

    Of the options' own order nothing is sure: a preset sorts them by name.
    """
    if not pairs or not n_cpu_moe:
        return tuple(pairs), n_cpu_moe
    return (*pairs, (experts(n_cpu_moe), "CPU")), 0


def sampler_letters(names: Sequence[str]) -> str:
    """The samplers as `--sampler-seq` writes them; empty where one of them has no letter."""
    by_name = {name: letter for letter, name in SAMPLERS.items()}
    known = [name.lower().replace("-", "_") for name in names]
    letters = [by_name.get(_SHORT.get(name, name), "") for name in known]
    return "".join(letters) if all(letters) else ""


def refused_extra(args: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Words of ``extra_args`` that set what llmgen plans with: (index, word, key of llm.toml).

    The key is empty where llm.toml has none. Every build's spellings are refused: they mean the
    same, or the server would not start.
    """
    for index, word in enumerate(args):
        option = BY_FLAG.get(spelled(word))
        if option is not None:
            yield index, word, option.key


def joined(args: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Words that hold an option and its value: (index, word); values of an option are no such."""
    for index, word in enumerate(args):
        option = spelled(word)
        value = bool(index) and bool(spelled(args[index - 1])) and not word.startswith("--")
        if option and word[len(option) :][:1].isspace() and option not in BY_FLAG and not value:
            yield index, word


def is_option_variable(name: str) -> bool:
    """Whether llama-server takes an option from this environment variable."""
    return name.startswith("LLAMA_ARG_") or name in BY_VARIABLE


def key_of_variable(name: str) -> str:
    """The key of llm.toml for such a variable; empty where llm.toml has none."""
    option = BY_VARIABLE.get(name) or BY_VARIABLE.get(name.replace("_ARG_NO_", "_ARG_"))
    if option is None and (listed := by_variable().get(name)) is not None:
        option = BY_FLAG.get(listed.flag)
    return option.key if option is not None else ""


def nearest(word: str) -> str:
    """The option that somebody who wrote this word may have meant; empty where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

    names = {spelling.lstrip("-"): spelling for spelling in by_spelling()}
    found = get_close_matches(spelled(word).lstrip("-"), names, 1, 0.75)
    return names[found[0]] if found else ""
