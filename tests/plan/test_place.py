import pytest
from libraries import TWO_CARDS, models, planned

from llmgen.errors import ConfigError, PlanError, Severity
from llmgen.plan.plan import Groups, Matrix, Router

SMALL = "ctx_size = 4096"


def refused(text, **more):
    with pytest.raises(PlanError) as caught:
        planned(text, **more)
    return caught.value.diagnostics


def test_models_that_fit_together_share_a_set():
    plan = planned(models("a", "b", "c", options=SMALL))
    engine = plan.engines["box"]
    assert isinstance(engine, Matrix)
    assert engine.listed == (("a", "b"), ("a", "c"), ("b", "c"))
    assert engine.sets == {"s1": "a & b", "s2": "a & c", "s3": "b & c"}


def test_every_state_sums_up_its_models_and_stays_within_the_pools():
    plan = planned(models("a", "b", "c", options=SMALL) + 'keep="always"\n')
    for state in plan.states:
        assert "c" in state.models
        for pool in plan.pools:
            used = sum(plan.placement(name).footprint[pool.name] for name in state.models)
            assert used == state.peaks[pool.name] <= pool.budget_bytes


def test_headroom_is_the_worst_state_of_each_pool():
    plan = planned(
        models(
            "a",
            "b",
            options=SMALL,
            b="ctx_size = 8192\nn_gpu_layers = 0".replace("ctx_size = 8192\n", ""),
        )
    )
    assert [item.state for item in plan.headroom] == [("a", "b"), ("a", "b")]
    assert all(item.free_bytes >= 0 for item in plan.headroom)


def test_pinned_model_is_in_every_set():
    engine = planned(models("a", "b", "c", options=SMALL, c="pin = true")).engines["box"]
    assert all("c" in found for found in engine.listed)


def test_models_that_never_meet_are_in_no_set_together():
    wish = '[plan]\nnever_together = [["a", "b"]]\n'
    engine = planned(models("a", "b", options=SMALL) + wish).engines["box"]
    assert engine.listed == (("a",), ("b",))


def test_wish_that_fits_is_in_the_first_set():
    wish = '[plan]\ntogether = [["b", "c"]]\n'
    engine = planned(models("a", "b", "c", options=SMALL) + wish).engines["box"]
    assert engine.listed[0] == ("b", "c")


def test_wish_that_does_not_fit_is_refused_with_the_missing_bytes():
    wish = '[plan]\ntogether = [["a", "b"]]\n'
    (only,) = refused(models("a", "b", options="ctx_size = 32768") + wish)
    assert only.code == "budget.device-full"
    assert only.key == ("plan", "together", 0)
    assert "wanted together" in only.message
    assert "missing" in only.message


def test_contradicting_wishes_are_refused():
    wish = '[plan]\ntogether = [["a", "b"]]\nnever_together = [["a", "b"]]\n'
    (only,) = refused(models("a", "b", options=SMALL) + wish)
    assert only.code == "plan.contradiction"


@pytest.mark.parametrize("other", ["", 'keep = "always"'])
def test_model_that_never_meets_an_always_loaded_one_is_refused(other):
    wish = '[plan]\nnever_together = [["a", "b"]]\n'
    (only,) = refused(models("a", "b", options=SMALL, a='keep = "always"', b=other) + wish)
    assert only.code == "plan.contradiction"
    kept = "`a` and `b` are" if other else "`a` is"
    assert only.message == f"`a` and `b` must never meet, but {kept} always loaded"
    assert only.key == (("models",) if other else ("models", "b"))


def test_model_larger_than_the_device_is_refused_with_arithmetic_and_a_way_out():
    (only,) = refused(models("a", options="ctx_size = 131072\nparallel = 1"))
    assert only.code == "budget.device-full"
    assert only.message.startswith("`a` needs 48.0 GiB on gpu0, which has 23.5 GiB left")
    assert any("weights 7.8 GiB + kv cache 40.0 GiB" in note for note in only.notes)
    assert '`cache_type_k = "q4_0"`' in only.hint


def test_override_plans_all_the_same_and_stays_visible():
    text = models("a", options="ctx_size = 131072") + '[budget]\noverride = "tried it"\n'
    plan = planned(text)
    assert plan.excused == "tried it"
    assert [(item.code, item.severity) for item in plan.notes] == [
        ("budget.device-full", Severity.WARNING)
    ]
    assert min(item.free_bytes for item in plan.headroom) < 0
    assert plan.engines["box"].sets == {"s1": "a"}


def test_override_without_need_excuses_nothing():
    assert planned(models("a", options=SMALL) + '[budget]\noverride = "x"\n').excused == ""


def test_preloaded_models_that_evict_each_other_are_refused():
    (only,) = refused(models("a", "b", "c", options=f"{SMALL}\npreload = true"))
    assert "loaded at start-up" in only.message


def test_router_takes_as_many_as_always_fit():
    router = '[services]\non_demand = "router"\n'
    plan = planned(models("a", "b", "c", options=SMALL) + router)
    assert plan.engines["box"] == Router(2)


def test_router_with_too_many_models_is_refused():
    router = '[services]\non_demand = "router"\n[services.router]\nmodels_max = 3\n'
    (only,) = refused(models("a", "b", "c", options=SMALL) + router)
    assert "any 3 at a time" in only.message


def test_without_on_demand_models_there_is_no_engine():
    plan = planned(models("a", options=f'{SMALL}\nkeep = "always"'))
    assert plan.engines == {"box": None}
    assert [state.models for state in plan.states] == [("a",)]


def test_groups_are_planned_when_asked_for():
    text = models("a", "b", options="ctx_size = 32768") + '[plan]\nengine = "groups"\n'
    engine = planned(text).engines["box"]
    assert isinstance(engine, Groups)
    assert [(group.members, group.swap) for group in engine.groups] == [(("a", "b"), True)]


def test_groups_that_cannot_say_what_fits_are_refused():
    text = models("a", "b", "c", options=SMALL) + '[plan]\nengine = "groups"\n'
    (only,) = refused(text)
    assert only.code == "plan.no-groups"


def test_version_without_a_matrix_gets_groups():
    text = models("a", "b", options=SMALL) + "[targets.llama_swap]\nversion = 201\n"
    assert isinstance(planned(text).engines["box"], Groups)


def test_two_cards_hold_what_one_cannot():
    text = models(
        "a",
        "b",
        "c",
        options=SMALL,
        c='device = ["gpu1"]',
        a='device = ["gpu0"]',
        b='device = ["gpu0"]',
    )
    plan = planned(text, head=TWO_CARDS)
    assert plan.engines["box"].listed == (("a", "b", "c"),)
    assert plan.placement("c").footprint["gpu0"] == 0


def test_server_that_would_not_start_is_refused_with_the_key():
    text = models("a", options='cache_type_v = "q8_0"\nflash_attn = "off"')
    (only,) = refused(text)
    assert only.code == "models.setting-refused"
    assert only.key[:2] == ("models", "a")


def test_port_claimed_twice_is_refused_with_both_owners():
    text = models("a", options=f'{SMALL}\nkeep = "always"\nport = 8080')
    with pytest.raises(ConfigError) as caught:
        planned(text)
    (only,) = caught.value.diagnostics
    assert (only.code, only.key) == ("ports.taken", ("models", "a", "port"))
    assert "llama-swap" in only.message


def test_what_an_estimate_doubts_is_noted_once():
    plan = planned(models("a", "b", options=SMALL), architecture="martian")
    (only,) = [item for item in plan.notes if item.code == "budget.inexact"]
    assert only.key == ("models", "a")
    assert "martian" in only.message


ROUTER = '[services]\non_demand = "router"\n'


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ('[plan]\ntogether = [["a", "b", "c"]]\n', "plan.router-too-few"),
        (
            '[services.router]\nmodels_max = 2\n[plan]\nnever_together = [["a", "b"]]\n',
            "plan.router-any",
        ),
    ],
)
def test_wish_that_the_router_cannot_keep_is_refused(wish, code):
    text = models("a", "b", "c", options="ctx_size = 512\nn_gpu_layers = 6") + ROUTER
    limit = "" if "models_max" in wish else "[services.router]\nmodels_max = 2\n"
    assert [item.code for item in refused(text + limit + wish)] == [code]


def test_router_that_keeps_fewer_than_are_preloaded_is_refused():
    text = models("a", "b", options="ctx_size = 512\npreload = true\nn_gpu_layers = 6")
    found = refused(text + ROUTER + "[services.router]\nmodels_max = 1\n")
    assert [item.code for item in found] == ["plan.router-preload"]


def test_router_keeps_one_model_where_some_must_never_meet():
    text = models("a", "b", options="ctx_size = 512\nn_gpu_layers = 6")
    plan = planned(text + ROUTER + '[plan]\nnever_together = [["a", "b"]]\n')
    assert plan.engines["box"] == Router(1)
