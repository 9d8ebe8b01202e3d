"""``llmgen report``: the plan as one page to look at, whether it fits or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import Read, library, read, renderer
from llmgen.errors import Diagnostic, LlmgenError, OwnershipError, PlanError

if TYPE_CHECKING:
    from llmgen.plan.findings import PlanFinding
    from llmgen.plan.plan import Plan

PAGE = "report.html"


@command(short_help="the plan as a page: memory, who fits with whom, contexts, routes")
@click.option(
    "-o", "--output", type=FileNameParam(), metavar="FILE", default=PAGE, help="`-` prints it."
)
@click.option(
    "--what-if", multiple=True, metavar="KEY=VALUE", help="Plan with this change, editing nothing."
)
def cli(session: Session, output: str, what_if: tuple[str, ...]) -> Outcome:
    """Write the plan as one HTML file: open it in any browser, offline too, or print it.

    How full each memory pool gets in every state, who can be loaded with whom and why not, which
    context fits, where each name leads, and how every number came about. A plan that does not fit
    is drawn as well, with what is missing and the changes that fit; the exit code is then 5.
    """
    from llmgen.report.data import report
    from llmgen.report.page import page
    from llmgen.targets.report import units

    found = read(session)
    if what_if:
        from llmgen.cli.what_if import changed

        found = changed(found, what_if)
    plan, missing = _judged(found)
    made = report(plan, missing, units(plan))
    render = renderer(session)
    content = page(made, render)
    told = tuple(item.diagnostic for item in missing)
    refused = told and not plan.excused
    notes = found.placed(told if refused else plan.notes)
    code = PlanError.exit_code if refused else None
    if output == "-":
        return Outcome(made, text=content.decode(), diagnostics=notes, exit_code=code)
    _write(output, content)
    data = {"path": output, "report": made}
    return Outcome(data, said=f"wrote {output}", diagnostics=notes, exit_code=code)


def _judged(found: Read) -> tuple[Plan, tuple[PlanFinding, ...]]:
    from llmgen.cli.waiting import waiting
    from llmgen.report.data import judged

    joined = library(found)
    try:
        with waiting(f"planning {len(found.config.models)} models"):
            return judged(joined)
    except LlmgenError as error:
        raise found.located(error) from None


def _write(name: str, content: bytes) -> None:
    """Replace an earlier report, never a file of others."""
    from llmgen.cli.writing import unwritable, write_out
    from llmgen.render.header import OWNER

    path = Path(name)
    try:
        if path.is_file() and OWNER.encode() not in path.read_bytes()[:512]:
            raise OwnershipError(
                Diagnostic(
                    "write.exists",
                    f"`{name}` is already there, and no report of llmgen's",
                    hint="`-o FILE` names another file, `-o -` prints it",
                )
            )
    except OSError as error:
        raise unwritable(name, error) from error
    write_out(name, content)
