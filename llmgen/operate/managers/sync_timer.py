"""What runs `llmgen sync` from time to time: a timer of systemd or launchd, for where llm.toml is.

No target renders it: it is of the machine on which somebody installs, where this llm.toml stands.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from llmgen.artifacts import Artifact, Render
from llmgen.errors import Diagnostic, InputError, Severity
from llmgen.operate.installation.installed_stack import written
from llmgen.operate.installation.steps import Words
from llmgen.operate.site import Site
from llmgen.plan.plan import Plan
from llmgen.render.quoting import systemd_argv
from llmgen.targets import launchd, systemd

TARGET: Final = "install"
SERVICE, TIMER, AGENT = "llmgen-sync.service", "llmgen-sync.timer", "llmgen.sync.plist"
NOT_STAGED: Final = Diagnostic(
    "operate.no-timer",
    "the timer of [sync] is not among these files: it runs where llm.toml stands",
    ("sync", "interval"),
    hint="`llmgen install` without `--root`, on that machine, writes it",
    severity=Severity.NOTE,
)
# Where programs keep their models, as `facts.stores` reads it.
_VARIABLES: Final = ("OLLAMA_MODELS", "LLAMA_CACHE", "HF_HOME", "HF_HUB_CACHE")


def sync_words(program: str, configs: Sequence[Path], stores: Iterable[tuple[str, str]]) -> Words:
    """The command of a timer, which has not the environment of a login."""
    told = [f"{name}={value}" for name, value in stores]
    named = [word for path in configs for word in ("-c", str(path))]
    return (*(("/usr/bin/env", *told) if told else ()), program, *named, "sync")


def stores_told(environment: Mapping[str, str] = os.environ) -> tuple[tuple[str, str], ...]:
    """The variables that say where this user's models are."""
    return tuple((name, environment[name]) for name in _VARIABLES if environment.get(name))


def timer(plan: Plan, configs: Sequence[Path], render: Render) -> Iterator[Artifact]:
    """The files of the timer that [sync] asks for; nothing without `interval`."""
    library = plan.library
    rules, layout = library.config.sync, library.layout
    if rules is None or rules.interval is None:
        return
    words = sync_words(str(layout.llmgen), configs, stores_told())
    if library.machine.os == "macos":
        log = str(layout.state / "logs" / "sync.log")
        job = {
            "Label": launchd.label("sync"),
            "ProgramArguments": [*words],
            "EnvironmentVariables": {"PATH": launchd.PATH},
            "StartInterval": rules.interval,
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
        yield _artifact(layout.agents / AGENT, launchd.document(job))
        return
    command = render("systemd/llmgen-sync.service.j2", command=systemd_argv(words))
    yield _artifact(layout.units / SERVICE, command)
    when = {"interval": rules.interval, "target": systemd.TARGET}
    yield _artifact(layout.units / TIMER, render("systemd/llmgen-sync.timer.j2", **when))


def is_of_timer(item: Artifact) -> bool:
    """Whether an artifact is one of these files."""
    return item.path.name in (SERVICE, TIMER, AGENT)


def installed_timer(site: Site) -> Iterator[Artifact]:
    """The timer as it is installed: a sync that it started would end itself by changing it."""
    for path in sorted(written(site)):
        file = site.root / path
        if path.name in (SERVICE, TIMER, AGENT) and file.is_file():
            yield _artifact(PurePosixPath("/", path), file.read_bytes())


def refuse_open_files(site: Site, configs: Sequence[Path]) -> None:
    """InputError where root would install what others can write, time after time."""
    for path in configs if site.layout.scope == "system" else ():
        real = path.resolve()
        for place in (real, real.parent):
            seen = place.stat()
            if seen.st_uid != 0 or seen.st_mode & 0o022:
                raise InputError(
                    Diagnostic(
                        "operate.not-roots",
                        f"a timer of the system would install what others can write: `{place}`",
                        ("sync", "interval"),
                        hint="keep llm.toml in a folder that is root's alone, such as /etc/llm; "
                        "or leave `interval` out",
                    )
                )


def _artifact(place: PurePosixPath, content: bytes) -> Artifact:
    return Artifact(PurePosixPath(TARGET, place.name), content, TARGET, install=place)
