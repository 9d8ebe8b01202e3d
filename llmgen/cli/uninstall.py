"""``llmgen uninstall``: stop the services and remove what install wrote."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from llmgen.cli.asking import refuse_other_removal
from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.installing import Manner, carry_out, manner
from llmgen.cli.on_cluster import DELETE_MODELS, on_cluster
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read

if TYPE_CHECKING:
    from llmgen.errors import Diagnostic


@command(short_help="stop the services and remove what install wrote")
@on_cluster(
    "llmgen.cli.cluster_install:uninstall",
    takes=("dry_run",),
    adds={"delete_models": DELETE_MODELS},
)
@on_hosts(
    ShownRows("changes", ("action", "path")),
    ShownRows("steps", ("when", "command")),
    here_only=("root",),
    plan_first=True,
)
@manner
def cli(session: Session, *, manner: Manner) -> Outcome:
    """Stop what `install` started and remove what it wrote; nothing else is touched.

    Generations stay, so that `rollback` can bring the stack back. What a killed
    `up --foreground` of this user left goes too; and settings of the machine that
    `host --install` put in place, where root asks.

    With [kubernetes]: delete the objects with llmgen's labels in the namespace. The namespace, the
    Secret with the keys, and the model files stay.
    """
    from msgspec.structs import replace

    from llmgen.apply.write import refuse_conflicts
    from llmgen.cli import host
    from llmgen.operate.foreground.dead_runs import clear
    from llmgen.operate.installation.install import prepare
    from llmgen.operate.site import site

    found = read(session)
    here = site(found.config, manner.root)
    if not here.is_staged:
        refuse_other_removal(found)
    may = here.is_staged or os.geteuid() == 0
    settings = host.removal(manner.root, manner.ways) if may else None
    if settings is not None:
        refuse_conflicts(settings[0], settings[1].changes)
    prepared = prepare(here, {}, manner.ways)
    is_here = not manner.dry_run and not here.is_staged
    done = carry_out(found, here, prepared, manner, "uninstall")
    if settings is not None:
        done = _both(done, host.carry_out(*settings, (), dry_run=manner.dry_run))
    left = () if may else _left()
    cleared = clear() if is_here else ()
    return replace(done, diagnostics=(*done.diagnostics, *left, *cleared))


def _both(stack: Outcome, settings: Outcome) -> Outcome:
    """One answer of both removals."""
    from msgspec.structs import replace

    data = {**stack.data, "host": settings.data} if isinstance(stack.data, dict) else stack.data
    said = "\n".join(text for text in (stack.said, f"host: {settings.said}") if text)
    text = f"{stack.text}{settings.text}"
    return replace(
        stack,
        data=data,
        text=text,
        said=said,
        diagnostics=(*stack.diagnostics, *settings.diagnostics),
    )


def _left() -> tuple[Diagnostic, ...]:
    """What this user cannot take away."""
    from llmgen.errors import Diagnostic, Severity
    from llmgen.operate.installation.host_files import is_there, place_of
    from llmgen.operate.installation.privilege import as_root

    if not is_there(place_of(None)):
        return ()
    said = Diagnostic(
        "host.left",
        "settings of the machine that `llmgen host --install` put in place stay",
        hint=f"{as_root('llmgen host --uninstall')} takes them away",
        severity=Severity.WARNING,
    )
    return (said,)
