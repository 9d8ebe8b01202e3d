"""Shell scripts read without a shell: variables, arrays, long lines, the servers they start."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from llmgen.importing.llama_swap.command import of_words
from llmgen.importing.parts import Item, Part, lost, part_of
from llmgen.importing.standalone import of_command, serves, standalone

_ASSIGNED = re.compile(
    r"(?:(?:export|declare|local|readonly|typeset)\s+(?:-\w\s+)?)?([A-Za-z_]\w*)=(.*)", re.DOTALL
)
_ARRAY = re.compile(r"([A-Za-z_]\w*)\+?=\((.*)\)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::?[-=]([^}]*))?\}|([A-Za-z_]\w*))")
_OPEN = re.compile(r"[A-Za-z_]\w*\+?=\(")
_ELEMENTS = re.compile(r"\$\{([A-Za-z_]\w*)\[[@*]\]\}")
# What a shell would run to know: nothing here does.
_RUN = re.compile(r"\$\([^()]*\)|`[^`]*`")
_COMMENT: Final = re.compile(r"""("(?:\\.|[^"\\])*"|'[^']*')|(?<!\S)#.*""")
_UNKNOWN: Final = "\x00"
_SIGNS: Final = "();|&"
# Where output goes and input comes from; texts in quotes are stepped over.
_REDIRECTED: Final = re.compile(
    r"""("(?:\\.|[^"\\])*"|'[^']*')|(?<!\S)(?:\d*|&)(?:>>?|<)\s*(?:&\s*\d+|[^\s;&|]+)"""
)
# What stands in every line that starts a server: the rest of a script is not looked at.
_LIKELY: Final = re.compile(
    r"llama|docker|podman|vllm|sglang|whisper|sd-server|embeddings|mlx_lm|koboldcpp|tabby"
)
# As many words as Linux gives a program.
_LONGEST: Final = 2**17
_TOO_LONG: Final = f"its variables make a text of more than {_LONGEST} characters"


def is_script(text: str) -> bool:
    """Whether a text starts a llama-server, or a container with one."""
    return bool(_LIKELY.search(text)) and next(_servers(text), None) is not None


def from_script(text: str) -> Part:
    """One always-on model for each server that the script starts."""
    return part_of(_items(text))


def _items(text: str) -> Iterator[Item]:
    taken: set[str] = set()
    for words, variables, wrapper in _servers(text):
        where = "the command of the script"
        if wrapper:
            yield lost(f"`{' '.join(wrapper)}` before the command", "llmgen starts it itself")
        known, missing = _known(words)
        for word in missing:
            yield lost(f"`{word}` of the command", "only the shell that runs it knows its value")
        folder = variables.pop("PWD", "")
        yield from standalone(of_command(where, known, variables, folder), taken)


def _servers(text: str) -> Iterator[tuple[list[str], dict[str, str], tuple[str, ...]]]:
    """(words, variables set for it, wrapper) of each server that is started."""
    variables: dict[str, str] = {}
    exported: dict[str, str] = {}
    arrays: dict[str, list[str]] = {}
    folder = ""
    for line in _lines(text):
        array = _ARRAY.fullmatch(line)
        if array:
            found = _words(array[2], variables, arrays)
            arrays[array[1]] = arrays.get(array[1], []) + found if "+=(" in line else found
            continue
        assigned = _ASSIGNED.fullmatch(line)
        if assigned and len(value := _words(assigned[2], variables, arrays)) <= 1:
            variables[assigned[1]] = value[0] if value else ""
            if line.startswith("export"):
                exported[assigned[1]] = variables[assigned[1]]
            continue
        if not line.startswith("cd ") and not _LIKELY.search(_substituted(line, variables)):
            continue
        for command in _commands(_words(line, variables, arrays, signs=True)):
            if command[:1] == ["cd"] and len(command) == 2:
                folder = command[1]
            start = of_words(_without_assignments(command))
            own = {**exported, **_assignments(command), **_pairs(start.environment)}
            words = [start.program, *start.arguments]
            if start.program and serves(of_command("", words, own)):
                yield words, {**own, "PWD": folder}, start.wrapper


def _lines(text: str) -> Iterator[str]:
    """Logical lines: continued ones joined, parentheses of arrays closed, comments gone."""
    waiting: list[str] = []
    for raw in text.splitlines():
        line = _COMMENT.sub(lambda found: found[1] or "", raw).strip()
        if (not line and raw.strip()) or (not line and not waiting):
            continue
        goes_on = line.endswith("\\")
        waiting.append(line.removesuffix("\\").rstrip())
        if goes_on or (_OPEN.match(waiting[0]) and not _RUN.sub("", line).endswith(")")):
            continue
        yield " ".join(waiting)
        waiting = []
    if waiting:
        yield " ".join(waiting)


def _words(
    line: str, variables: Mapping[str, str], arrays: Mapping[str, list[str]], *, signs: bool = False
) -> list[str]:
    """The words of a line with its variables filled in; operators stand by themselves."""
    bare = _REDIRECTED.sub(lambda found: found[1] or " ", _RUN.sub(_UNKNOWN, line))
    reader = shlex.shlex(bare, posix=True, punctuation_chars=_SIGNS if signs else "")
    reader.whitespace_split = True
    reader.commenters = "#"
    try:
        found = [*reader]
    except ValueError:
        return []
    filled: list[str] = []
    for word in found:
        elements = _ELEMENTS.fullmatch(word)
        if elements:
            filled += arrays.get(elements[1], [])
        else:
            filled += _filled(word, variables)
        if sum(map(len, filled)) + len(filled) > _LONGEST:
            raise ValueError(_TOO_LONG)
    return filled


def _filled(word: str, variables: Mapping[str, str]) -> list[str]:
    """A word with its variables; one that was nothing but a variable may be several words."""
    if word in ("$@", "$*"):
        return []
    alone = _VARIABLE.fullmatch(word)
    if alone and (name := alone[1] or alone[3]) in variables and " " in variables[name]:
        return variables[name].split()
    return [_substituted(word, variables)]


def _substituted(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables filled in; ValueError where they make too much of it."""
    coming = sum(len(_value(found, variables)) for found in _VARIABLE.finditer(text))
    if coming > _LONGEST:
        raise ValueError(_TOO_LONG)
    return _VARIABLE.sub(lambda found: _value(found, variables), text)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name = found[1] or found[3]
    if name in variables:
        return variables[name]
    if found[2] is not None:
        return _substituted(found[2], variables)
    return "~" if name == "HOME" else found[0]


def _commands(words: list[str]) -> Iterator[list[str]]:
    """The commands of a line."""
    command: list[str] = []
    for word in words:
        if word and not set(word) - set(_SIGNS):
            yield command
            command = []
        else:
            command.append(word)
    yield command


def _without_assignments(words: list[str]) -> list[str]:
    at = next((n for n, word in enumerate(words) if not _ASSIGNED.fullmatch(word)), len(words))
    return words[at:]


def _assignments(words: list[str]) -> dict[str, str]:
    at = len(words) - len(_without_assignments(words))
    return _pairs(words[:at])


def _pairs(words: list[str] | tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _known(words: list[str]) -> tuple[list[str], list[str]]:
    """The words without options whose value nobody here knows, and those options."""
    known: list[str] = []
    missing: list[str] = []
    for word in words:
        if _UNKNOWN not in word and not _VARIABLE.search(word):
            known.append(word)
        elif known and known[-1].startswith("-"):
            missing.append(f"{known.pop()} {word.replace(_UNKNOWN, '$(…)')}")
        else:
            missing.append(word.replace(_UNKNOWN, "$(…)"))
    return known, missing
