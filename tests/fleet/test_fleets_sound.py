"""Random fleets of real llm.toml documents against every assignment of their models.

``LLMGEN_FLEETS_SEED`` draws others, ``LLMGEN_FLEETS_COUNT`` more or fewer of them.
"""

import os
import sys
from pathlib import Path
from random import Random

import pytest
from fleet_brute import FACTS, Brute, TooMany, choices
from fleets_drawn import drawn

from llmgen.budget.estimate import estimate
from llmgen.config.load import load, merged
from llmgen.config.source import parse
from llmgen.errors import LlmgenError
from llmgen.facts.lock_model import Entry, Lock
from llmgen.fleet.build import fleet
from llmgen.fleet.ground import ground_of
from llmgen.fleet.planner import choosing
from llmgen.fleet.seats import wishes
from llmgen.plan.plan import Groups, Matrix, Router

sys.path.append(str(Path(__file__).parent.parent / "plan"))
from simulator import GroupSwap, MatrixSwap, RouterServer

SEED = int(os.environ.get("LLMGEN_FLEETS_SEED", "13"))
FLEETS, PARTS, REQUESTS = int(os.environ.get("LLMGEN_FLEETS_COUNT", "10000")), 10, 12
LOCK = Lock({ref: Entry(item) for ref, item in FACTS.items()})


@pytest.fixture(autouse=True)
def _estimated_once(monkeypatch):
    """What a model takes is another matter, and so is what would mend a refusal."""
    known = {}

    def once(made, settings, build, **more):
        beside = {name: item for name, item in more.items() if name != "backends"}
        assert not any(beside.values())
        key = made.files[0].name, settings, build, tuple(more["backends"].items())
        if key not in known:
            known[key] = estimate(made, settings, build, **more)
        return known[key]

    monkeypatch.setattr("llmgen.plan.scale.estimate", once)
    monkeypatch.setattr("llmgen.plan.findings._ways", lambda *_: iter(()))


def planned(text):
    source = parse("llm.toml", text)
    return fleet(load([source]), merged([source]), LOCK)


def reached(plan, luck):
    """States of the host's engine after random requests, by the engine's own rules."""
    kept = [item.name for item in plan.placements if str(item.keep) == "always"]
    names = [item.name for item in plan.placements if item.name not in kept]
    if not names:
        yield {*kept}
        return
    match plan.engines[plan.library.machine.host]:
        case Matrix() as found:
            engine = MatrixSwap(found.sets, found.variables, found.evict_costs)
        case Groups() as found:
            parts = found.groups
            engine = GroupSwap(
                (frozenset(one.members), one.swap, one.exclusive, one.persistent) for one in parts
            )
        case Router(limit):
            engine = RouterServer(limit)
    for item in plan.placements:
        if item.model.pin and item.name in names:
            engine.request(item.name)
    for name in luck.choices(names, k=REQUESTS):
        yield {*kept, *engine.request(name)}


def over_pools(given, host, plan, luck):
    """What a reachable state takes of a pool beyond what there is."""
    budgets = given.machines[host].budgets
    assert {pool.name: pool.budget_bytes for pool in plan.pools} == budgets
    sizes = {item.name: item.footprint for item in plan.placements}
    for state in (*reached(plan, luck), *({*item.models} for item in plan.states)):
        for pool, budget in budgets.items():
            if sum(sizes[name][pool] for name in state) > budget:
                yield host, pool, state


def faults(given, luck):
    """What is wrong with llmgen's answer to one fleet."""
    brute = Brute(given)
    try:
        made = planned(given.text())
    except LlmgenError as refused:
        codes = [item.code for item in refused.diagnostics]
        try:
            best = brute.best()
        except TooMany:
            best = next((one for one in sampled(brute, luck)), None)
        if best is not None:
            yield "refused", codes, [item.message for item in refused.diagnostics], best
        return
    assert {*made.seats} == {*given.wanted}
    for name, (hosts, copies) in given.wanted.items():
        on = made.seats[name]
        assert len({*on}) == len(on) == copies, name
        assert {*on} <= {*hosts}, name
    for host, member in made.members.items():
        on = {name for name, hosts in made.seats.items() if host in hosts}
        prefix = given.common.get("naming", {}).get("prefix", "")
        assert {item.name for item in member.plan.placements} == {prefix + name for name in on}
        if "budget" not in given.own[host]:
            yield from over_pools(given, host, member.plan, luck)
    seats = {name: tuple(made.seats[name]) for name in given.wanted}
    if any(item.code == "hosts.not-proved" for item in made.notes):
        yield "not proved", seats
    brute.plans = 10
    if not brute.fits_all(seats):
        yield "does not fit", seats
    brute.plans = 30
    try:
        over, best = brute.best()
    except TooMany:
        now = brute.over(seats)
        for one in sampled(brute, luck):
            if brute.over(one) < now:
                yield "better", seats, now, one
        return
    if (over, best) != (brute.over(seats), seats):
        yield "best", (brute.over(seats), seats), (over, best)


def sampled(brute, luck, count=10):
    """Some of very many assignments, those that fit."""
    wanted = brute.fleet.wanted
    for _ in range(count):
        one = {name: luck.choice([*choices(*item)]) for name, item in wanted.items()}
        brute.plans = 10
        if brute.fits_all(one):
            yield one


def check(part, count, **sizes):
    for number in range(count):
        seed = f"{SEED} {part} {number}"
        given = drawn(Random(seed), **sizes)
        found = [*faults(given, Random(seed))]
        assert not found, (seed, found, given.text())


def test_each_model_is_on_the_best_of_its_hosts():
    check("quick", 20, hosts=4, models=5)


def test_groups_of_a_host_that_may_be_overfull_have_to_say_what_fits_nevertheless():
    given = drawn(Random("14 0 525"))
    assert given.own["h0"] == {"plan": {"engine": "groups"}, "budget": {"override": "tried"}}
    assert not [*faults(given, Random(0))]


def test_shares_that_a_larger_set_would_have_are_found_for_a_smaller_one():
    """A host with three cards refused two models, and took them beside a third."""
    given = drawn(Random("14 5 876"))
    assert not [*faults(given, Random(0))]


def test_only_what_a_model_takes_in_any_case_is_certain():
    """Beside other models its layers may be divided otherwise, and take less."""
    given = drawn(Random("14 5 876"))
    given.models["m0"] = {**given.models["m2"], "device": ["gpu1"]}
    source = parse("llm.toml", given.text())
    ground = ground_of(load([source]), merged([source]), LOCK)
    needs = {item.name: item for item in choosing(ground, wishes(ground.config)).needs}
    assert needs["m0"].least == needs["m0"].demand
    assert needs["m2"].demand
    assert not needs["m2"].least


@pytest.mark.thorough
@pytest.mark.parametrize("part", range(PARTS))
def test_of_ten_thousand_fleets_none_is_refused_that_fits_nor_placed_worse_than_the_best(part):
    check(part, FLEETS // PARTS)
