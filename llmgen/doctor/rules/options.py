"""Options of llama-server: those that the plan emits exist, and none comes in by another way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import Ran, Seen
from llmgen.plan.plan import Placement, Plan

_OPTION = re.compile(r"(?<![\w-])(--?[a-zA-Z][\w-]*)")
_CHOICE = re.compile(r"[\[{<]([\w|,+-]+)[\]}>]")


def known(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Every option and every value that the plan emits stands in ``llama-server --help``.

    A model with a llama-server of its own is held against that program's.
    """
    if plan.library.config.services.runtime != "native":
        # Its server is in an image.
        return
    plain = [item for item in plan.placements if item.model.is_plain]
    for program in dict.fromkeys(item.model.program for item in plain):
        mine = [item for item in plain if item.model.program == program]
        yield from _known(mine, seen.ran.get(f"{program or 'llama_server'} --help"), program)


def _known(placements: list[Placement], ran: Ran | None, program: str) -> Iterator[Finding]:
    name = program or "llama-server"
    expected = f"every option of the plan is in `{name} --help`"
    if ran is None or ran.code != 0 or not ran.out:
        yield unknown("options-known", name, expected, "`--help` could not be read")
        return
    help_lines = _help(ran.out)
    for placement in placements:
        wrong = [*_wrong(placement.argv[1:], help_lines)]
        yield judged(
            "options-known",
            placement.name,
            expected,
            f"unknown: {', '.join(wrong)}" if wrong else "all known",
            ok=not wrong,
            fix="set `build` in [llama_cpp] to the installed build and run `llmgen generate`"
            if not program
            else f"leave them out of [models.{placement.name}]: {program} has no such options",
        )


def hidden(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """No LLAMA_ARG_* variable and no config.ini adds options behind the plan's back."""
    del plan
    names = sorted(name for name in seen.environment if name.startswith("LLAMA_ARG_"))
    found = [*names, *seen.config_files]
    yield judged(
        "hidden-options",
        "environment and llama.cpp/config.ini",
        "no options beside the plan's",
        ", ".join(found) or "none",
        ok=not found,
        fix="unset the variables, move the file away: the plan's numbers do not know them",
    )


def _help(text: str) -> dict[str, str]:
    """Option spelling to the first line that lists it."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("-"):
            for spelling in _OPTION.findall(line):
                found.setdefault(spelling, line)
    return found


def _wrong(words: tuple[str, ...], help_lines: dict[str, str]) -> Iterator[str]:
    for index, word in enumerate(words):
        if not word.startswith("--"):
            continue
        if word not in help_lines:
            yield word
            continue
        value = words[index + 1] if index + 1 < len(words) else ""
        match = _CHOICE.search(help_lines[word])
        choices = re.split(r"[|,]", match[1]) if match else []
        named = [choice for choice in choices if not choice.isupper() and not choice.isdigit()]
        if len(named) > 1 and value and not value.startswith("--") and value not in choices:
            yield f"{word} {value}"
