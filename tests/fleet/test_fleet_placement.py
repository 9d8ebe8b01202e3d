"""The placement over hosts against all placements there are, and what is said of it."""

import random

import pytest
from how_many import examples
from hypothesis import given
from hypothesis import strategies as st
from placement_brute import Devices, brute, drawn, fits, ways

from llmgen.fleet.host_reasons import reasons
from llmgen.fleet.needs import Choosing, HostBudget, ModelNeeds
from llmgen.fleet.no_host import Move
from llmgen.fleet.outage import without
from llmgen.fleet.placement import Placed, Refused, place
from llmgen.units import GIB


def fleet(budgets, *models, always=(), together=(), kinds=None):
    """A fleet of one device each; a model is (name, GiB or GiB by host, allowed hosts or all)."""
    names = [*budgets]
    takes, needs = {}, []
    for name, sizes, *allowed in models:
        by_host = sizes if isinstance(sizes, dict) else dict.fromkeys(names, sizes)
        demand = {host: int(size * GIB) for host, size in by_host.items()}
        takes[name] = {host: (size,) for host, size in demand.items()}
        hosts = tuple(allowed[0]) if allowed else tuple(names)
        copies = len(hosts) if allowed else 1
        never = {host: "its device is too old" for host in names if host not in demand}
        needs.append(ModelNeeds(name, hosts, demand, copies, name in always, never))
    capacity = {host: (int(size * GIB),) for host, size in budgets.items()}
    hosts = [HostBudget(host, capacity[host][0], (kinds or {}).get(host, "")) for host in names]
    return Choosing(hosts, needs, Devices(capacity, takes, frozenset(always), together, []))


def check(seed, **options):
    choosing = drawn(seed, **options)
    best, found = brute(choosing), place(choosing)
    assert found.proved
    if best is None:
        assert isinstance(found, Refused)
        assert found.missing
        moves_hold(choosing, found)
    else:
        assert isinstance(found, Placed)
        assert (found.over, tuple(found.hosts.values())) == best
        said = dict(reasons(choosing, found.hosts))
        assert {*said} == {item.name for item in choosing.needs if item.open}
        assert not [text for text in said.values() if "not every placement" in text]
        for host in choosing.hosts:
            takeover_holds(choosing, found, host.name)
    return found


def moves_hold(choosing, refused):
    """With any one move the model has a host beside all others that have one."""
    without_host = {item.model for item in refused.missing}
    for missing in refused.missing:
        for move in missing.moves:
            kept = [
                item
                for item in choosing.needs
                if item.name not in without_host - {missing.model} or item.name == move.model
            ]
            needs = [
                ModelNeeds(item.name, (move.host,), item.demand)
                if item.name == move.model == missing.model
                else ModelNeeds(
                    item.name,
                    tuple(dict.fromkeys((*item.hosts, move.host))),
                    item.demand,
                    item.copies,
                    never=item.never,
                )
                if item.name == move.model
                else item
                for item in kept
            ]
            small = Choosing(choosing.hosts, needs, choosing.oracle)
            if ways(small) <= 2000:
                assert brute(small) is not None


def takeover_holds(choosing, found, down):
    outage = without(choosing, found.hosts, down)
    assert {*outage.lost} == {name for name, on in found.hosts.items() if on == (down,)}
    assert {*outage.together} <= {*outage.alone} <= {*outage.lost}
    rest = [host.name for host in choosing.hosts if host.name != down]
    there = {
        host: frozenset(name for name, on in found.hosts.items() if host in on) for host in rest
    }
    for name, host in outage.alone.items():
        assert choosing.oracle.fits(host, there[host] | {name})
    for host in rest:
        more = {name for name, on in outage.together.items() if on == host}
        assert choosing.oracle.fits(host, there[host] | more)


@pytest.mark.parametrize("part", range(20))
def test_the_best_of_all_placements_is_found(part):
    for seed in range(part * 50, part * 50 + 50):
        check(seed)


@pytest.mark.thorough
@pytest.mark.parametrize("part", range(20))
def test_the_best_of_all_placements_of_many_more_is_found(part):
    for seed in range(10_000 + part * 500, 10_500 + part * 500):
        check(seed, models=9)


@examples(100)
@given(st.integers(0, 10**9))
def test_models_that_take_less_still_have_hosts(seed):
    choosing = drawn(seed)
    found = place(choosing)
    planner = choosing.oracle
    lighter = Devices(
        planner.capacity,
        {
            name: {host: tuple(part // 2 for part in parts) for host, parts in by_host.items()}
            for name, by_host in planner.takes.items()
        },
        planner.always,
        planner.together,
        [],
    )
    needs = [
        ModelNeeds(
            item.name,
            item.hosts,
            {host: size // 2 for host, size in item.demand.items()},
            item.copies,
            item.always,
            item.never,
        )
        for item in choosing.needs
    ]
    if isinstance(found, Placed):
        less = place(Choosing(choosing.hosts, needs, lighter))
        assert isinstance(less, Placed)
        assert less.over <= found.over


@examples(100)
@given(st.integers(0, 10**9), st.integers(0, 2000), st.integers(0, 30))
def test_what_a_short_search_says_is_true(seed, steps, calls):
    choosing = drawn(seed)
    found = place(choosing, steps=steps, calls=calls)
    best = brute(choosing)
    if isinstance(found, Placed):
        assert fits(choosing, found.hosts.values())
        assert best[0] <= found.over
        if found.proved:
            assert (found.over, tuple(found.hosts.values())) == best
    elif found.proved:
        assert best is None


def test_a_placement_is_the_same_each_time():
    assert place(drawn(7), steps=500, calls=10) == place(drawn(7), steps=500, calls=10)


def test_the_planner_is_asked_of_a_set_once():
    choosing = drawn(11, models=9)
    place(choosing)
    asked = choosing.oracle.asked
    assert len(asked) == len({*asked})


def test_equal_hosts_are_asked_of_once():
    kinds = dict.fromkeys(("a", "b", "c"), "spark")
    choosing = fleet(dict.fromkeys("abc", 10), *((f"m{n}", 4) for n in range(6)), kinds=kinds)
    place(choosing)
    assert len({models for _, models in choosing.oracle.asked}) == len(choosing.oracle.asked)


def test_first_host_of_the_list_is_taken():
    found = place(fleet({"studio": 20, "spark": 30}, ("a", 5), ("b", 5)))
    assert found.hosts == {"a": ("studio",), "b": ("studio",)}


def test_a_host_passed_over_is_told_with_its_room():
    choosing = fleet(
        {"studio": 36, "spark": 64},
        ("big", 24.8, ("studio",)),
        ("coder", 24.9),
        always=("big", "coder"),
    )
    said = dict(reasons(choosing, place(choosing).hosts))
    assert said == {"coder": "coder on spark: needs 24.9 GiB, studio has 11.2 GiB left in {big}"}


def test_what_could_not_be_in_memory_at_once_is_told():
    choosing = fleet({"studio": 36, "spark": 64}, ("big", 24.8, ("studio",)), ("coder", 24.9))
    said = dict(reasons(choosing, place(choosing).hosts))
    assert said == {
        "coder": "coder on spark: on studio 13.7 GiB more could not be in memory at once"
    }


def test_a_host_that_can_never_have_it_is_told():
    choosing = fleet({"studio": 36, "spark": 64}, ("a", {"spark": 3}))
    said = dict(reasons(choosing, place(choosing).hosts))
    assert said == {"a": "a on spark: not on studio: its device is too old"}


def test_a_model_on_its_first_host_says_so():
    choosing = fleet({"studio": 36, "spark": 64}, ("a", 3))
    assert dict(reasons(choosing, place(choosing).hosts)) == {
        "a": "a on studio: the first of its hosts"
    }


def test_a_fixed_model_without_room_is_advised_where_it_fits():
    choosing = fleet(
        {"studio": 20, "spark": 64},
        ("a", 15, ("studio",)),
        ("b", 8, ("studio",)),
        always=("a", "b"),
    )
    (missing,) = place(choosing).missing
    assert missing.model == "b"
    assert missing.why == {"studio": "needs 8.0 GiB, studio has 5.0 GiB left in {a}"}
    assert missing.moves[0] == Move("b", "spark", "on `spark` it fits as it is")


def test_a_model_for_any_host_is_advised_to_move_another():
    choosing = fleet(
        {"studio": 20, "spark": 12}, ("a", 10, ("studio",)), ("b", 18), always=("a", "b")
    )
    (missing,) = place(choosing).missing
    assert missing.why == {
        "studio": "needs 18.0 GiB, studio has 10.0 GiB left in {a}",
        "spark": "needs 18.0 GiB, spark has 12.0 GiB left",
    }
    assert missing.moves == (Move("a", "spark", "with `a` on `spark` it fits on `studio`"),)


def test_every_model_without_a_host_is_named():
    choosing = fleet({"studio": 20}, ("a", 30), ("b", 8), ("c", 40))
    found = place(choosing)
    assert isinstance(found, Refused)
    assert [item.model for item in found.missing] == ["a", "c"]


def test_a_host_that_is_too_old_is_the_reason_of_a_refusal():
    (missing,) = place(fleet({"studio": 20}, ("a", {}, ("studio",)))).missing
    assert missing.why == {"studio": "its device is too old"}


def test_models_of_a_lost_host_fit_elsewhere_alone_but_not_together():
    choosing = fleet({"spark": 20, "studio": 20}, ("a", 15), ("b", 15), together=({"a", "b"},))
    outage = without(choosing, {"a": ("spark",), "b": ("spark",)}, "spark")
    assert outage.lost == ("a", "b")
    assert outage.alone == {"a": "studio", "b": "studio"}
    assert outage.together == {"a": "studio"}
    assert not outage.every


def test_a_model_with_a_second_server_is_not_lost():
    choosing = fleet({"spark": 20, "studio": 20}, ("a", 15, ("spark", "studio")))
    outage = without(choosing, place(choosing).hosts, "spark")
    assert outage.lost == ()
    assert outage.served == ("a",)


def test_what_is_always_on_leaves_room_for_the_largest_on_demand():
    # Of 40 GiB each, one host has to have room for 35 beside what is always on.
    sizes = [("k1", 20), ("k2", 20), ("d1", 35), *((f"d{n}", 18) for n in range(2, 12))]
    found = place(fleet({"a": 40, "b": 40}, *sizes, always=("k1", "k2")))
    assert found.proved
    assert found.hosts["k1"] == found.hosts["k2"] != found.hosts["d1"]


def test_a_model_on_demand_goes_home_to_a_full_host_with_room():
    # Only `a` has room for `large`, which is needed nowhere: `a` is full without it.
    sizes = [("kept", 10), ("large", 40), ("m1", 30), ("m2", 30), ("m3", 18), ("m4", 18)]
    found = place(fleet({"a": 60, "b": 20}, *sizes, always=("kept",)))
    assert found.proved
    assert found.hosts["large"] == ("a",)


@pytest.mark.parametrize("part", range(4))
def test_the_best_is_found_by_prices(part):
    found = 0
    for seed in range(20_000 + part * 50, 20_050 + part * 50):
        choosing = differing(seed)
        best, placed = brute(choosing), place(choosing)
        assert placed.proved
        assert (placed.over, tuple(placed.hosts.values())) == best
        found += best[0] > 0
    assert found > 10


def differing(seed):
    """Models on demand that take other bytes on each host, more than there is room for."""
    luck = random.Random(seed)
    names = [f"host{at}" for at in range(luck.randint(2, 3))]
    budgets = {name: luck.randint(60, 120) for name in names}
    takes, needs = {}, []
    for number in range(luck.randint(5, 7)):
        demand = {name: luck.randint(10, 60) for name in names}
        takes[f"m{number}"] = {name: (size,) for name, size in demand.items()}
        needs.append(ModelNeeds(f"m{number}", tuple(names), demand, least=demand))
    capacity = {name: (size,) for name, size in budgets.items()}
    oracle = Devices(capacity, takes, frozenset(), (), [])
    return Choosing([HostBudget(name, budgets[name]) for name in names], needs, oracle)


def test_two_hundred_hosts_and_five_hundred_models_are_placed():
    names = [f"h{n:03}" for n in range(200)]
    models = [(f"m{n}", 3, (names[n % 200],)) if n % 2 else (f"m{n}", 3) for n in range(500)]
    found = place(fleet(dict.fromkeys(names, 12), *models))
    assert isinstance(found, Placed)
    assert found.over == 0
