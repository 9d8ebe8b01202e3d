"""The last step of ``llmgen sync``: what is installed follows, where this llm.toml's stack is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from llmgen.cli.asking import asking
from llmgen.cli.installing import Manner, carry_out, prepared_for, wanted_tree
from llmgen.cli.outcome import Outcome
from llmgen.errors import InputError, OwnershipError

if TYPE_CHECKING:
    from llmgen.cli.boundary import Session
    from llmgen.cli.syncing import Synced
    from llmgen.operate.status.asking import Asking


def following(session: Session, done: Synced) -> Callable[[bool], Outcome]:
    """How the installation follows, decided now; called with whether it is a dry run.

    Raises what an install would refuse, before anything is written.
    """
    from msgspec.structs import replace

    from llmgen.apply.changes import NO_WAYS
    from llmgen.apply.write import refuse_conflicts
    from llmgen.cli.syncing import by_command
    from llmgen.facts.lock import render_lock
    from llmgen.operate.installation.checks import missing_programs
    from llmgen.operate.installation.install import unmanaged
    from llmgen.operate.managers.by_cron import is_by_cron
    from llmgen.operate.managers.sync_timer import installed_timer, is_of_timer
    from llmgen.operate.site import refuse_elsewhere

    who = asking(done.after)
    here = who.site
    if (why := _stays(done, who)) is not None:
        return partial(_nothing, why)
    refuse_elsewhere(here, done.plan.library.machine.os)
    lock = render_lock(done.lock).encode()
    tree = [
        *(
            item
            for item in wanted_tree(done.after, done.plan, session, lock)
            if not is_of_timer(item)
        ),
        *installed_timer(here),
    ]
    prepared, keep = prepared_for(done.after, here, tree, NO_WAYS, cron=is_by_cron(here))
    if prepared.is_done and not prepared.then:
        return partial(_nothing, "what is installed is up to date")
    try:
        refuse_conflicts(here.place, prepared.changes)
    except OwnershipError as error:
        raise by_command("llmgen install", error) from None
    if missing := [*missing_programs(here, done.plan)]:
        raise done.after.located(InputError(missing))
    if (nobody := unmanaged(here, prepared)) is not None:
        hint = "`install = false` in [sync] leaves it to you; `llmgen status` says what runs"
        raise InputError(replace(nobody, hint=hint))

    def follow(is_dry: bool) -> Outcome:
        manner = Manner(NO_WAYS, dry_run=is_dry)
        return carry_out(done.after, here, prepared, manner, "sync", keep=keep, stack=who.stack)

    return follow


def _stays(done: Synced, who: Asking) -> str | None:
    """Why nothing is installed; None where this llm.toml's stack is."""
    from llmgen.operate.installation.installed_stack import is_installed
    from llmgen.operate.stack_owner import installed_owner, shown_path

    rules = done.after.config.sync
    if rules is not None and not rules.install:
        return "not installed: `install = false` in [sync]"
    if not is_installed(who.site):
        return "nothing is installed here; `llmgen install` does that"
    noted = installed_owner(who.site)
    if noted is not None and noted.files and noted.files != who.stack:
        files = ", ".join(f"`{shown_path(name)}`" for name in noted.files)
        return f"not installed: what is installed is the stack of {files}"
    return None


def _nothing(why: str, is_dry: bool) -> Outcome:
    del is_dry
    return Outcome({"why": why}, said=why)
