"""What a report says is the plan's: plan.json's bytes, the engines' rules, contexts that plan."""

import json
from pathlib import Path

import pytest
import report_stacks as stacks
from plan.simulator import GroupSwap, MatrixSwap
from syrupy.extensions.json import JSONSnapshotExtension

from llmgen.cli.outcome import plain
from llmgen.plan.plan import Groups, Matrix, Router
from llmgen.plan.proof import proof_document

ENGINES = (Path(stacks.REPOSITORY) / "tests/cases/engines/llm.toml").read_text("utf-8")
ROUTER = stacks.TWO_CARDS.replace("[gateway]", '[services]\non_demand = "router"\n[gateway]')
GROUPS = stacks.TWO_CARDS + "[targets.llama_swap]\nversion = 201\n"
STACKS = {
    "repository": stacks.repository(),
    "two cards": stacks.TWO_CARDS,
    "every engine": ENGINES,
    "a hundred models": stacks.many(100),
}


@pytest.mark.parametrize("text", STACKS.values(), ids=STACKS)
def test_the_numbers_are_those_of_plan_json(text):
    plan, _ = stacks.judged_of(text)
    proof, told = proof_document(plan), stacks.report_of(text)
    assert [
        (pool.name, pool.capacity_bytes, sum(item.size_bytes for item in pool.reserves))
        for pool in told.pools
    ] == [(pool["name"], pool["capacity_bytes"], pool["reserve_bytes"]) for pool in proof["pools"]]
    assert {item.name: dict(item.footprint) for item in told.models} == {
        name: model["bytes"] for name, model in proof["models"].items()
    }
    reachable = [item for item in told.states if item.kind == "reachable"]
    assert [(list(item.models), dict(item.used)) for item in reachable] == [
        (state["models"], state["bytes"]) for state in proof["states"][: len(reachable)]
    ]
    assert told.states_in_all == len(proof["states"])
    assert [
        (pool.name, pool.peak_bytes, pool.free_bytes, list(pool.state)) for pool in told.pools
    ] == [
        (peak["pool"], peak["bytes"], peak["free_bytes"], peak["models"]) for peak in proof["peaks"]
    ]
    assert {pool.name: list(pool.declared) for pool in told.pools if pool.declared} == (
        proof.get("declared", {})
    )


@pytest.mark.parametrize("text", [*STACKS.values(), stacks.REFUSED], ids=[*STACKS, "refused"])
def test_parts_sum_up_to_the_footprint(text):
    for item in stacks.report_of(text).models:
        for pool, size in item.footprint.items():
            parts = item.parts.get(pool, {})
            assert sum(parts.values()) == size
            assert all(part >= 0 for part in parts.values())


@pytest.mark.parametrize("text", STACKS.values(), ids=STACKS)
def test_summands_of_an_estimate_sum_up_to_its_weights_and_context(text):
    for item in stacks.report_of(text).models:
        if item.engine != "llama-server":
            continue
        weights = sum(size for _, what, size in item.origins if what.startswith("weights"))
        assert weights * item.servers == sum(
            parts.get("weights", 0) for parts in item.parts.values()
        )


def test_two_models_meet_where_a_state_has_both_and_no_other():
    for text in (STACKS["repository"], STACKS["two cards"], GROUPS):
        told = stacks.report_of(text)
        reached = [{*state.models} for state in told.states if state.kind == "reachable"]
        for pair in told.pairs:
            both = {pair.one, pair.other}
            assert (pair.verdict == "meet") == any(both <= state for state in reached), pair


def test_llm_toml_s_own_words_are_a_reason():
    found = {
        (pair.one, pair.other): pair.verdict for pair in stacks.report_of(stacks.TWO_CARDS).pairs
    }
    assert found["reader", "painter"] == "wish"


def test_missing_memory_of_a_pair_is_its_sum_beyond_the_budget():
    told = stacks.report_of(stacks.repository())
    models = {item.name: item for item in told.models}
    budgets = {pool.name: pool.budget_bytes for pool in told.pools}
    always = [item for item in told.models if item.keep == "always"]
    (pair,) = [p for p in told.pairs if (p.one, p.other) == ("gpt-oss-120b", "devstral-2-123b")]
    held = (*always, models[pair.one], models[pair.other])
    assert pair.missing == {"gpu0": sum(item.footprint["gpu0"] for item in held) - budgets["gpu0"]}


def test_a_router_of_one_keeps_models_apart_that_would_fit():
    told = stacks.report_of(ROUTER.replace("[models.painter]", '[models.painter]\nkeep = "always"'))
    assert told.engine == "router"
    plan, _ = stacks.judged_of(
        ROUTER.replace("[models.painter]", '[models.painter]\nkeep = "always"')
    )
    (engine,) = plan.engines.values()
    assert isinstance(engine, Router)
    verdicts = {pair.verdict for pair in told.pairs}
    assert ("engine" in verdicts) == (engine.models_max == 1)


@pytest.mark.parametrize("text", [stacks.repository(), stacks.TWO_CARDS, GROUPS])
def test_requests_push_out_what_the_engine_s_own_rule_says(text):
    plan, _ = stacks.judged_of(text)
    (engine,) = plan.engines.values()
    told = stacks.report_of(text)
    asked = 0
    for state in told.states:
        running = frozenset(state.models) & {
            item.name for item in told.models if item.keep != "always"
        }
        for swap in state.swaps:
            match engine:
                case Matrix():
                    swapper = MatrixSwap(engine.sets, engine.variables, engine.evict_costs)
                case Groups():
                    swapper = GroupSwap(
                        (item.members, item.swap, item.exclusive, item.persistent)
                        for item in engine.groups
                    )
            swapper.running = running
            after = swapper.request(swap.model)
            assert {*swap.evicts} == running - after, (state.models, swap)
            asked += 1
    assert asked > 5


def test_a_load_takes_what_the_disk_needs_for_the_files():
    told = stacks.report_of(stacks.repository())
    for item in told.models:
        least = item.size_bytes / told.disk_bandwidth_bytes
        assert abs(item.load_seconds - least) <= 0.1


@pytest.mark.parametrize("name", ["devstral-2-123b", "qwen3-coder-30b-a3b"])
def test_the_longest_context_plans_and_the_next_step_does_not(name):
    told = {item.model: item for item in stacks.report_of(stacks.repository()).contexts}[name]
    for curve in told.curves:
        kinds = f'cache_type_k = "{curve.cache_type_k}"\ncache_type_v = "{curve.cache_type_v}"\n'
        slots = 2 if "coder" in name else 1
        for size, fits in ((curve.longest, True), (curve.longest + 256, False)):
            if size > told.trained:
                continue
            head, table, rest = stacks.repository().partition(f"[models.{name}]\n")
            own, mark, after = rest.partition("\n[")
            lines = [line for line in own.splitlines() if not line.startswith("ctx_size")]
            changed = f"ctx_size = {size * slots}\n{kinds}" + "\n".join(lines)
            _, missing = stacks.judged_of(head + table + changed + mark + after)
            assert (not missing) == fits, (curve, size)


def test_points_are_what_the_planner_plans():
    text = stacks.repository()
    told = {item.model: item for item in stacks.report_of(text).contexts}
    footprints = {item.name: item.footprint for item in stacks.report_of(text).models}
    for item in told.values():
        (now,) = [point for point in item.curves[0].points if point.context == item.now]
        assert now.used_bytes == footprints[item.model][item.pool]
        assert not now.short


def test_a_refused_plan_has_its_state_first_with_what_is_missing():
    told = stacks.report_of(stacks.REFUSED)
    assert not told.fits
    first = told.states[0]
    assert first.kind == "refused"
    assert {item.pool: item.missing_bytes for item in told.refusals} == dict(first.missing)
    assert all(way.edits for item in told.refusals for way in item.ways)


def test_changes_that_are_told_plan():
    """The first way of the refusal, followed by hand."""
    way = stacks.report_of(stacks.REFUSED).refusals[0].ways[0]
    assert way.edits == '`cache_type_k = "q4_0"` and `cache_type_v = "q4_0"` for `assistant`'
    mended = stacks.REFUSED.replace(
        "[models.assistant]\n", '[models.assistant]\ncache_type_k = "q4_0"\ncache_type_v = "q4_0"\n'
    )
    assert stacks.report_of(mended).fits


def test_an_override_is_no_fit():
    text = stacks.REFUSED + '[budget]\noverride = "I know"\n'
    told = stacks.report_of(text)
    assert (told.fits, told.override) == (False, "I know")


def test_numbers_that_are_not_computed_say_so():
    found = {item.name: {*item.basis.values()} for item in stacks.report_of(ENGINES).models}
    assert found["ear"] == {"declared"}
    assert found["coder"] == {"reserved", "declared"}
    assert found["qwen3-8b"] == {"computed"}


def test_every_name_has_its_way():
    told = stacks.report_of(stacks.TWO_CARDS)
    ways = {name.name: item for item in told.routes for name in item.names}
    assert ways["gpt-4o"].model == "coder"
    assert ways["gpt-4o"].doors == ("Envoy", "LiteLLM")
    assert ways["oss-high"].loader == "llama-swap"
    assert ways["embed"].port == 9001
    assert ways["huge"].server == "http://10.0.0.9:8000"


def test_data_of_two_cards(snapshot):
    """The golden file of the whole value; read before it is accepted."""
    data = plain(stacks.report_of(stacks.TWO_CARDS))
    assert json.loads(json.dumps(data)) == snapshot(extension_class=JSONSnapshotExtension)
