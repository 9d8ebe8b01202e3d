"""Whether a running command is the one that the plan wants; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from llmgen.operate.status.observations import Process
from llmgen.options import BY_FLAG, spelled
from llmgen.targets.services import Service

# Where a server listens is its engine's own business.
_ENGINE_SETS: Final = ("--host", "--port", "--alias")


def as_wanted(service: Service, process: Process | None) -> bool | None:
    """Whether a process runs the service's command and options; None where that is hidden.

    In the foreground the files are elsewhere, so that only the options are compared.
    """
    if process is None or not process.words or service.runtimes:
        return None
    # A script's interpreter stands in front of it (LiteLLM).
    length = len(service.argv)
    if not process.foreground and process.words[-length:] != service.argv:
        return False
    wanted = {name: value for name, value in service.environment if name.startswith("LLAMA_ARG_")}
    return not process.environment or not wanted or dict(process.environment) == wanted


def same_command(wanted: Sequence[str], running: Sequence[str]) -> bool:
    """Whether a running command has the wanted options; where it listens is the engine's."""
    return _options(wanted).items() <= _options(running).items()


def same_words(wanted: Sequence[str], running: Sequence[str]) -> bool:
    """Whether a running command has the wanted words, whatever its port."""
    marks = re.compile(r"\\\$\\\{(PORT|PID|MODEL_ID)\\\}")
    return len(wanted) == len(running) and all(
        re.fullmatch(marks.sub(".+", re.escape(one)), other)
        for one, other in zip(wanted, running, strict=True)
    )


def _options(words: Sequence[str]) -> dict[str, str]:
    """Options under one spelling each, with their values; a switch that is off is `false`."""
    found: dict[str, str] = {}
    flag = ""
    for word in words[1:]:
        option = BY_FLAG.get(spelled(word))
        if option is not None:
            flag = option.flag
            found[flag] = "false" if word in option.negative else ""
        elif spelled(word):
            flag = word
            found[flag] = ""
        elif flag:
            found[flag] = f"{found[flag]} {word}".strip()
    return {name: value for name, value in found.items() if name not in _ENGINE_SETS}
