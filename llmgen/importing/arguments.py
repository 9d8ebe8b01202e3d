"""Words of a command line, variables and preset keys, read as llama-server itself reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from llmgen.option_table import Option
from llmgen.options import BY_FLAG, BY_VARIABLE, spelled, taken
from llmgen.server_help import FALSEY, TRUTHY, HelpOption, by_key, by_spelling, by_variable

# Before it had a value this was a switch, and files say so still.
_ONCE_A_SWITCH: Final = "--flash-attn"
_TRISTATE: Final = (*TRUTHY, *FALSEY, "auto", "-1")


class Argument(Struct, frozen=True):
    """An option with its values; ``option`` and ``listed`` are None where no build knows it.

    ``off`` is the negative spelling of a switch. ``wrong`` says why the server would not start.
    """

    word: str
    values: tuple[str, ...] = ()
    option: Option | None = None
    listed: HelpOption | None = None
    off: bool = False
    wrong: str = ""

    @property
    def flag(self) -> str:
        """The long spelling that llmgen or the help has for it."""
        if self.option is not None:
            return self.option.flag
        return self.listed.flag if self.listed is not None else spelled(self.word) or self.word

    @property
    def spelling(self) -> str:
        """The word as the server spells it, a switch by what its value made of it."""
        if self.listed is None or self.listed.value:
            return spelled(self.word) or self.word
        spellings = self.listed.off if self.off else self.listed.on
        word = spelled(self.word)
        return word if word in spellings or not spellings else spellings[-1]

    @property
    def value(self) -> str:
        """Its only value."""
        return self.values[0] if self.values else ""

    @property
    def shown(self) -> str:
        """As it stood in the file."""
        return " ".join((self.word, *self.values))


def read(words: Sequence[str]) -> Iterator[Argument]:
    """Every option of a command line: what takes a value takes the next word, whatever it is."""
    at = 0
    while at < len(words):
        word, equals, value = words[at].partition("=")
        at += 1
        argument = _found(word if spelled(word) else words[at - 1])
        if equals and spelled(word):
            yield _with(argument, (value,))
            continue
        count = _takes(argument, words[at:])
        yield _with(argument, tuple(words[at : at + count]))
        at += count


def _found(word: str) -> Argument:
    spelling = spelled(word) or word
    listed, option = by_spelling().get(spelling), BY_FLAG.get(spelling)
    off = spelling in (listed.off if listed else option.negative if option else ())
    return Argument(word, (), option, listed, off)


def _takes(argument: Argument, following: Sequence[str]) -> int:
    if argument.flag == _ONCE_A_SWITCH:
        return int(bool(following) and following[0].lower() in _TRISTATE)
    return taken(argument.word, following)


def _with(argument: Argument, values: tuple[str, ...]) -> Argument:
    """The argument with its values; a switch with a value is on or off by it."""
    listed, option = argument.listed, argument.option
    switch = not listed.value if listed else option is not None and option.switch
    if argument.flag == _ONCE_A_SWITCH:
        return _replaced(argument, values=values or ("on",))
    if switch and values:
        text = values[0].lower()
        if text not in (*TRUTHY, *FALSEY):
            return _replaced(argument, values=values, wrong=f"`{values[0]}` is neither on nor off")
        return _replaced(argument, off=argument.off != (text in FALSEY))
    if listed is not None and len(values) < listed.takes:
        return _replaced(argument, values=values, wrong="its value is missing")
    if listed is None and option is not None and not switch and not values:
        return _replaced(argument, wrong="its value is missing")
    return _replaced(argument, values=values)


def _replaced(argument: Argument, **changes: object) -> Argument:
    kept = {name: getattr(argument, name) for name in argument.__struct_fields__}
    return Argument(**{**kept, **changes})


def words_of(name: str, value: str) -> list[str]:
    """Words of a command line for an environment variable, or for an option by its name."""
    listed = by_key().get(name) or by_key().get(name.replace("_", "-"))
    if listed is None:
        option = BY_FLAG.get(f"--{name}")
        return [f"--{name}={value}"] if option is None or option.switch else [f"--{name}", value]
    if listed.value:
        return [listed.flag, value]
    # The variable that switches off does so whatever it holds.
    if listed.off and name in listed.variables[1:]:
        return [listed.off[-1]]
    return [f"{_spelling(listed, name)}={value}"]


def in_order(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables that are options, in the order in which the server takes them."""
    known = by_variable()
    order = {name: index for index, name in enumerate(known)}
    for name in sorted(variables, key=lambda item: order.get(item, len(order))):
        if name in known:
            yield name, variables[name]


def preset_words(pairs: Mapping[str, str]) -> list[str]:
    """The words that the router gives to a child for keys of its preset, in the router's order.

    Of two keys that are one option the later one by name counts. A switch is off by what says off,
    and on by anything else; keys that no option has are left out.
    """
    chosen = {listed.first: (listed, key, pairs[key]) for key, listed in _known(sorted(pairs))}
    return [word for first in sorted(chosen) for word in _child_words(*chosen[first])]


def _known(keys: Iterable[str]) -> Iterator[tuple[str, HelpOption]]:
    for key in keys:
        listed = option_of(key)
        if listed is not None:
            yield key, listed


def option_of(key: str) -> HelpOption | None:
    """The option that a preset's key is, also one that only earlier builds have (`mlock`)."""
    if key in by_key():
        return by_key()[key]
    option = BY_FLAG.get(f"--{key}") or BY_FLAG.get(f"-{key}") or BY_VARIABLE.get(key)
    if option is None or not option.switch:
        return None
    return HelpOption((*option.others, option.flag), option.negative, variable=option.variable)


def _child_words(listed: HelpOption, key: str, value: str) -> list[str]:
    if listed.value:
        return [listed.flag, value]
    on = value not in FALSEY
    if f"-{key}" in listed.off or f"--{key}" in listed.off:
        on = value not in TRUTHY
    if on:
        return [listed.flag]
    return [listed.off[-1]] if listed.off else []


def _spelling(listed: HelpOption, name: str) -> str:
    spellings = (f"--{name}", f"-{name}", listed.flag)
    return next(word for word in spellings if word in (*listed.on, *listed.off))
