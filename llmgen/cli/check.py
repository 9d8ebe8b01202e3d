"""``llmgen check``: validate, resolve and plan; silence when all is well."""

from __future__ import annotations

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import Read, plan, read_whole, tree


@command(short_help="validate and plan llm.toml")
def cli(session: Session) -> Outcome:
    """Validate llm.toml, join it with llm.lock, prove that the plan fits, and render every file.

    Whatever `generate` would refuse is refused here. Prints nothing when all is well; warnings and
    errors go to standard error.
    """
    found = read_whole(session)
    if found.config.kubernetes is not None:
        return _of_cluster(found, session)
    if found.config.hosts:
        return _of_hosts(found, session)
    placed = plan(found)
    tree(found, placed, session)
    return Outcome(
        {"models": len(placed.placements), "states": len(placed.states)},
        diagnostics=found.placed(placed.notes),
    )


def _of_cluster(found: Read, session: Session) -> Outcome:
    from llmgen.cli.clusters import cluster_of, tree_of

    cluster = cluster_of(found, session)
    _, notes = tree_of(found, cluster, session)
    units = {
        item.name: {"models": len(item.plan.placements), "states": len(item.plan.states)}
        for item in cluster.serving
    }
    return Outcome({"units": units}, diagnostics=notes)


def _of_hosts(found: Read, session: Session) -> Outcome:
    from llmgen.cli.hosts import chosen, fleet_of, notes, tree_of

    hosts, fleet = chosen(found, session), fleet_of(found)
    tree_of(found, fleet, session, hosts)
    plans = {name: fleet.members[name].plan for name in hosts}
    return Outcome(
        {
            "hosts": {
                name: {"models": len(plan.placements), "states": len(plan.states)}
                for name, plan in plans.items()
            }
        },
        diagnostics=notes(found, fleet, hosts),
    )
