"""Where services write, and the command that shows it."""

from __future__ import annotations

import plistlib
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from llmgen.config.config import Config
from llmgen.errors import Diagnostic, InputError
from llmgen.operate.engines.engine import engine
from llmgen.operate.engines.server import history
from llmgen.operate.installation.privilege import hidden_journal
from llmgen.operate.installation.steps import Lines, Words
from llmgen.operate.installation.units import Unit
from llmgen.operate.managers.compose import Compose
from llmgen.operate.managers.systemd import Systemd
from llmgen.operate.programs import run
from llmgen.operate.site import Site


def commands(site: Site, units: Sequence[Unit], wanted: Lines) -> Words:
    """Ask compose for its services, journalctl for systemd's units, tail for files of agents."""
    manager = site.manager
    composed = [unit for unit in units if unit.program]
    if composed:
        _refuse_boot(wanted)
        return Compose(composed[0].program, composed[0].path).logs(composed, wanted)
    if isinstance(manager, Systemd):
        return manager.logs([unit.name for unit in units], wanted)
    refuse_times(wanted)
    files = sorted({path for unit in units for path in _files(unit)})
    if not files:
        raise InputError(
            Diagnostic(
                "operate.no-log",
                "the services write no log files",
                hint="`llmgen install` writes agents that keep one",
            )
        )
    more = ("-F",) if wanted.follow else ()
    return ("tail", "-n", str(wanted.lines), *more, *files)


def _refuse_boot(wanted: Lines) -> None:
    """InputError for what containers' logs do not know: when the machine started."""
    if wanted.boot:
        raise InputError(
            Diagnostic(
                "operate.no-journal",
                "the logs of containers do not say when the machine started",
                hint="`--since 2h` shows the lines of two hours",
            )
        )


def refuse_hidden(words: Words) -> None:
    """InputError where the journal shows this user nothing of the services, and says no more."""
    if words[0] != "journalctl":
        return
    asked = run([*(word for word in words if word != "--follow"), "--lines=1", "--no-pager"])
    found = hidden_journal(asked.errors)
    if found is not None:
        raise InputError(found)


def refuse_times(wanted: Lines) -> None:
    """InputError for what only a journal knows: when a line was written."""
    if wanted.since or wanted.boot:
        raise InputError(
            Diagnostic(
                "operate.no-journal",
                "the services write into files, and those do not say when a line was written",
                hint="`-n LINES` shows the last ones",
            )
        )


def of_model(config: Config, model: str, lines: int) -> str:
    """The last lines of an on-demand model; llama-swap keeps them, the router has no route."""
    found = engine(config)
    if found.name != "llama-swap":
        raise InputError(
            Diagnostic(
                "operate.no-model-log",
                "the router writes its models' lines into its own log",
                hint="`llmgen logs router`",
            )
        )
    path = f"/logs/stream/{quote(model, safe='/:')}"
    text = history(found.endpoint, path)
    return "".join(f"{line}\n" for line in text.splitlines()[-lines:])


def _files(unit: Unit) -> Iterator[str]:
    document = plistlib.loads(unit.text.encode())
    for key in ("StandardOutPath", "StandardErrorPath"):
        if key in document:
            yield str(document[key])
