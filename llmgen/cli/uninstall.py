"""``llmgen uninstall``: stop the services and remove what install wrote."""

from __future__ import annotations

from llmgen.cli.asking import refuse_other_removal
from llmgen.cli.boundary import Session, command
from llmgen.cli.installing import Manner, carry_out, manner
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read


@command(short_help="stop the services and remove what install wrote")
@manner
def cli(session: Session, *, manner: Manner) -> Outcome:
    """Stop what `install` started and remove what it wrote; nothing else is touched.

    Generations stay, so that `rollback` can bring the stack back. What a killed
    `up --foreground` of this user left goes too.
    """
    from msgspec.structs import replace

    from llmgen.operate.dead_runs import clear
    from llmgen.operate.install import prepare
    from llmgen.operate.site import site

    found = read(session)
    here = site(found.config, manner.root)
    if not here.is_staged:
        refuse_other_removal(found)
    prepared = prepare(here, {}, manner.ways)
    is_here = not manner.dry_run and not here.is_staged
    done = carry_out(found, here, prepared, manner, "uninstall")
    return replace(done, diagnostics=(*done.diagnostics, *clear())) if is_here else done
