"""``llmgen show``: the plan as tables, or as one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.hosts import only_host, where
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import known_plan, read_whole, unknown_models
from llmgen.errors import InputError

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read
    from llmgen.cli.view import ModelView
    from llmgen.plan.plan import Plan

# Models with open values whose steps are planned, without and with --explain; steps then double.
PRICED, DOUBLED = (20, 100), 8


@command(short_help="the plan: memory pools, models, ports, aliases")
@click.option("--explain", is_flag=True, help="Every state with a bar for each pool, and why.")
@click.option(
    "--what-if", multiple=True, metavar="KEY=VALUE", help="Plan with this change, editing nothing."
)
@click.option("--files", is_flag=True, help="Every file that install puts in place, and its mode.")
@click.option(
    "--requirements", is_flag=True, help="Programs, accounts, memory, disk and ports it needs."
)
@click.option("--all", "every", is_flag=True, help="Every model, past a screenful too.")
@click.option("--expect", is_flag=True, help="Tokens per second that the memory allows at most.")
@click.option("--model", "model", metavar="NAME", help="One model, with its whole command line.")
@click.option("--without", "without", metavar="HOST", help="What is left while this host is down.")
def cli(
    session: Session,
    model: str | None,
    without: str | None,
    what_if: tuple[str, ...],
    *,
    explain: bool,
    every: bool,
    files: bool,
    requirements: bool,
    expect: bool,
) -> Outcome:
    """Show what llm.toml means: how full each memory pool gets, which models run where, and how.

    `--what-if models.coder.ctx_size=131072` plans a change without making it. With [hosts] there is
    a sum of all, then a page for each host.
    """
    found = read_whole(session)
    if what_if:
        from llmgen.cli.what_if import changed

        found = changed(found, what_if)
    if found.config.kubernetes is not None:
        from llmgen.cli.on_cluster import refuse_of_machines
        from llmgen.cli.show_cluster import show_cluster

        refuse_of_machines(("without", "explain", "files", "requirements", "expect"))
        return show_cluster(session, found, every=every, model=model)
    if without:
        from llmgen.cli.show_fleet import show_without

        return show_without(found, without)
    of_one = explain or files or requirements or expect or model
    if found.config.hosts and len(session.hosts) != 1 and not of_one:
        from llmgen.cli.show_fleet import show_fleet

        return show_fleet(session, found, every=every)
    if model and found.config.hosts and not session.hosts:
        found = where(found, model)
    else:
        found = only_host(found, session)
    placed = known_plan(found)
    if files or requirements:
        from llmgen.cli.show_lists import show_files, show_requirements

        return show_files(session, found, placed) if files else show_requirements(placed)
    if expect:
        from llmgen.cli.expectation import show_expected

        return show_expected(found, placed)
    return _planned(found, placed, model=model, explain=explain, every=every)


def _planned(
    found: Read, placed: Plan, *, model: str | None, explain: bool, every: bool
) -> Outcome:
    """The plan of one machine: one model, every state, or all of it in tables."""
    from llmgen.cli.view import view
    from llmgen.plan.price import prices

    steps = prices(placed, most=DOUBLED if explain else 1) if _is_priced(placed, explain) else ()
    seen = view(placed, steps)
    notes = found.placed(placed.notes)
    code = InputError.exit_code if unknown_models(found, placed) else None
    if model:
        from llmgen.cli.tables import show_model

        one = _one(seen.models, model)
        return Outcome(one, text=lambda: show_model(one), diagnostics=notes, exit_code=code)
    if explain:
        from llmgen.cli.tables import show_explained
        from llmgen.plan.explain import explain as explained

        rows = explained(placed)
        return Outcome(
            {"plan": seen, "explained": rows},
            text=lambda: show_explained(seen, rows),
            diagnostics=notes,
            exit_code=code,
        )
    from llmgen.cli.tables import show_plan

    return Outcome(
        seen, text=lambda: show_plan(seen, whole=every), diagnostics=notes, exit_code=code
    )


def _is_priced(placed: Plan, explain: bool) -> bool:
    """Steps of open values are planned one by one, so not for a large stack."""
    return sum(bool(model.open) for model in placed.library.models) <= PRICED[explain]


def _one(models: tuple[ModelView, ...], name: str) -> ModelView:
    for model in models:
        if name in model.names:
            return model
    raise click.UsageError(f"no model is called `{name}`")
