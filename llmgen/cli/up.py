"""``llmgen up``: start the services, or the whole stack in this terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmgen.cli.asking import asking, refuse_other_install
from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import Read, plan, read, tree
from llmgen.cli.printable import printable
from llmgen.cli.ready import answering, wait_options

if TYPE_CHECKING:
    from llmgen.operate.foreground.run import Say
    from llmgen.plan.plan import Plan
    from llmgen.targets.services import Service


# What stands for all services where cron keeps them up.
CRON = "cron"


@command(short_help="start the services")
@click.argument("names", nargs=-1, metavar="[SERVICE]…")
@click.option("--foreground", is_flag=True, help="In this terminal, without a service manager.")
@click.option("--installed", is_flag=True, help="With --foreground: use the installed files.")
@click.option(
    "--if-down",
    is_flag=True,
    help="With --foreground: do nothing when it is up, or when `down` ended it.",
)
@wait_options
@on_hosts(ShownRows("started"), minutes=60, here_only=("foreground", "installed", "if_down"))
def cli(
    session: Session,
    names: tuple[str, ...],
    *,
    foreground: bool,
    installed: bool,
    if_down: bool,
    wait: int | None,
) -> Outcome:
    """Start what `install` put in place; what runs already is let be.

    With --foreground the stack runs in this terminal until ^C, from files of its own that go with
    it: nothing has to be installed. What a killed run left is removed by the next one, by `down`
    and by `uninstall`; on Linux its programs end with it, on macOS they stay until then.

    With --wait it comes back when all that it started answers, asked as `status` asks; with 4 when
    one does not in time, has ended, or ends again and again. ^C ends the waiting, not the stack.
    """
    from llmgen.operate.installation.installed_stack import chosen, start
    from llmgen.operate.managers.by_cron import begin, is_by_cron
    from llmgen.operate.site import site

    found = read(session)
    if foreground and wait is not None:
        raise click.UsageError("`--foreground` says by itself when the stack is ready")
    if not foreground:
        refuse_other_install(found)
        here = site(found.config)
        if is_by_cron(here):
            said = "started" if begin(here, names) else "it is up already"
            done = Outcome({"started": [CRON]}, said=said)
            return done if wait is None else answering(found, done, wait)
        units = chosen(here, names)
        start(here, units)
        started = [unit.name for unit in units]
        done = Outcome({"started": started}, said=f"started: {', '.join(started)}")
        if wait is None:
            return done
        whole = not names or any(name.endswith(".target") for name in started)
        return answering(found, done, wait, None if whole else started)
    return _foreground(session, found, names, installed=installed, if_down=if_down)


def _foreground(
    session: Session, found: Read, names: tuple[str, ...], *, installed: bool, if_down: bool
) -> Outcome:
    from llmgen.errors import InputError
    from llmgen.layout import layout
    from llmgen.operate.foreground.run_folder import ALREADY_UP, only_one
    from llmgen.operate.managers.by_cron import is_stopped

    state = layout(found.config.paths, found.config.services.scope).state
    if if_down and is_stopped(Path(state)):
        return Outcome({"ended": False})
    with only_one([source.name for source in found.sources]) as alone:
        if alone:
            _run(session, found, names, installed=installed)
            return Outcome({"ended": True}, said="ended")
    if if_down:
        return Outcome({"ended": False})
    raise InputError(ALREADY_UP)


def _run(session: Session, found: Read, names: tuple[str, ...], *, installed: bool) -> None:
    from msgspec.structs import replace

    from llmgen.cli.frames import frames
    from llmgen.operate.foreground.dead_runs import clear
    from llmgen.operate.foreground.run import supervise
    from llmgen.operate.foreground.run_folder import folder, moved, put
    from llmgen.operate.stack_owner import stack_of
    from llmgen.operate.status.arrival import greet_later
    from llmgen.targets.services import services

    # Before anything starts: servers of a run that was killed may still hold the ports.
    click.echo(frames(clear(), short=session.short), err=True, nl=False)
    with folder() as root:
        own = found if installed else replace(found, config=moved(found.config, root))
        placed = plan(own)
        if not installed:
            put(tree(own, placed, session), root)
        chosen = _only(services(placed), names)
        stack = stack_of([source.name for source in found.sources])
        _refuse_taken(found, placed, chosen)
        say, ended = _printer(chosen), threading.Event()
        if not names:
            greet_later(placed, lambda line: say("llmgen", line), ended)
        try:
            supervise(chosen, say, root, stack)
        finally:
            ended.set()


def _refuse_taken(found: Read, placed: Plan, chosen: Sequence[Service]) -> None:
    """Refuse every port that something has: its service would start for nothing."""
    from llmgen.operate.status.asking import require_free
    from llmgen.operate.status.stack import expected

    names, who = {item.name for item in chosen}, asking(found)
    wanted = expected(placed, who.site)
    require_free(who, [item.at for item in wanted if item.service.name in names])


def _only(known: Sequence[Service], names: Sequence[str]) -> list[Service]:
    """The named services, or all; a usage error for a name that is none."""
    listed = {item.name: item for item in known}
    unknown = [name for name in names if name not in listed]
    if unknown:
        raise click.UsageError(f"no service `{unknown[0]}`; there are {', '.join(listed)}")
    return [item for item in known if not names or item.name in names]


def _printer(known: Sequence[Service]) -> Say:
    """Print lines with the service's name in front; each line whole, whoever writes it."""
    width = max(map(len, ("llmgen", *(item.name for item in known))))
    lock = threading.Lock()

    def say(name: str, line: str) -> None:
        with lock:
            sys.stdout.write(f"{name:{width}} | {printable(line)}\n")
            sys.stdout.flush()

    return say
