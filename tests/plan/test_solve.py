"""Open values: each at its maximum, each with its reason."""

import pytest
from libraries import TWO_CARDS, library, models, planned
from msgspec.structs import replace

from llmgen.errors import PlanError
from llmgen.plan import choices
from llmgen.plan.place import place
from llmgen.plan.scale import scale
from llmgen.plan.trial import Trial, required


def machine(memory):
    return f"""
edition = 1
[hardware]
host = "box"
os = "linux"
backend = "cuda"
memory = "64GiB"
reserve = "2GiB"
devices = [{{ memory = "{memory}" }}]
[paths]
home = "/home/llm"
"""


def settled(plan, name):
    return plan.placement(name).settings


def reason(plan, name, key):
    return next(why for why in plan.placement(name).reasons if why.key == key)


# No count of values is a multiple of five: each comes up.
@pytest.mark.sample(5)
@pytest.mark.parametrize("memory", ["10GiB", "16GiB", "24GiB", "96GiB"])
@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("unified", ["true", "false"])
@pytest.mark.parametrize("cache", ["f16", "q8_0"])
@pytest.mark.parametrize("beside", ["nothing", "service", "wish"])
def test_largest_context_is_largest(memory, slots, unified, cache, beside):
    own = f'ctx_size = "max"\nparallel = {slots}\nkv_unified = {unified}\n'
    own += f'cache_type_k = "{cache}"\ncache_type_v = "{cache}"\n'
    small = "ctx_size = 2048\nn_gpu_layers = 1\n" + (
        'keep = "always"' if beside == "service" else ""
    )
    wish = '[plan]\ntogether = [["a", "b"]]\n' if beside == "wish" else ""
    text = models("a", *(("b",) if beside != "nothing" else ()), a=own, b=small) + wish
    made = library(text, head=machine(memory), layers=12)
    plan = place(made)
    model, settings = made.model("a"), settled(plan, "a")
    tries = Trial(
        made, scale(made), required(made), {item.name: item.settings for item in plan.placements}
    )
    assert tries.fits(model, settings)
    count = choices.slots(settings)
    longer = choices.with_context(model, made, settings, settings.ctx_size + choices.STEP * count)
    trained = 131072 * count
    assert longer.ctx_size > trained or not tries.fits(model, longer)
    # The server rounds what lies between two steps up, so a smaller step is as large.
    between = replace(longer, ctx_size=settings.ctx_size + choices.STEP)
    assert longer.ctx_size > trained or not tries.fits(model, between)


def test_reason_names_pool_and_set():
    plan = planned(
        models("a", "b", options='ctx_size = "max"') + '[plan]\ntogether = [["a", "b"]]\n'
    )
    assert reason(plan, "a", "ctx_size").why == "limited by gpu0 in the set {a, b}"


def test_training_length_is_the_reason_where_memory_is_not():
    plan = planned(models("a", options='ctx_size = "max"'), context=8192)
    assert settled(plan, "a").ctx_size == 8192
    assert reason(plan, "a", "ctx_size").why == "the length that the model was trained with"


def test_contexts_grow_together():
    plan = planned(
        models("a", "b", options='ctx_size = "max"') + '[plan]\ntogether = [["a", "b"]]\n'
    )
    sizes = settled(plan, "a").ctx_size, settled(plan, "b").ctx_size
    assert sizes[0] - sizes[1] in (0, choices.STEP)


def test_model_that_meets_nobody_takes_the_whole_device():
    together = planned(
        models("a", "b", options='ctx_size = "max"') + '[plan]\ntogether = [["a", "b"]]\n'
    )
    apart = planned(models("a", "b", options='ctx_size = "max"'))
    assert settled(apart, "a").ctx_size > 2 * settled(together, "a").ctx_size


def test_first_cache_type_that_fits_is_taken():
    kinds = 'cache_type_k = ["f16", "q8_0", "q4_0"]\ncache_type_v = ["f16", "q8_0", "q4_0"]\n'
    plan = planned(models("a", options=f"ctx_size = 65536\n{kinds}"))
    assert settled(plan, "a").cache_type_k == settled(plan, "a").cache_type_v == "q8_0"
    assert reason(plan, "a", "cache_type").why == "limited by gpu0 in the set {a}"


def test_preferred_value_is_settled_first():
    kinds = 'cache_type_k = ["f16", "q4_0"]\ncache_type_v = ["f16", "q4_0"]\nctx_size = "max"\n'
    text = models("a", options=kinds)
    types_first = planned(text)
    context_first = planned(text + '[plan]\nprefer = ["ctx_size"]\n')
    assert settled(types_first, "a").cache_type_k == "f16"
    assert settled(context_first, "a").cache_type_k == "q4_0"
    assert settled(context_first, "a").ctx_size > settled(types_first, "a").ctx_size


def test_as_many_layers_as_fit_stay_on_the_device():
    made = library(models("a", options='ctx_size = 131072\nn_gpu_layers = "auto"'))
    plan = place(made)
    layers = settled(plan, "a").n_gpu_layers
    assert 0 < layers < 21
    weigh = scale(made)
    more = weigh.footprint(made.model("a"), replace(settled(plan, "a"), n_gpu_layers=layers + 1))
    assert more["gpu0"] > weigh.pools[1].budget_bytes


def test_all_layers_stay_when_they_fit():
    plan = planned(models("a", options='ctx_size = 4096\nn_gpu_layers = "auto"'))
    assert settled(plan, "a").n_gpu_layers == -1
    assert reason(plan, "a", "n_gpu_layers").value == "all"


def test_layers_stay_on_the_device_while_the_context_grows():
    plan = planned(models("a", options='ctx_size = "max"\nn_gpu_layers = "auto"'))
    assert settled(plan, "a").n_gpu_layers == -1
    assert settled(plan, "a").ctx_size > choices.LEAST_CONTEXT


def with_experts(made):
    """The same library with four experts in each layer, two of them used."""
    (model,) = made.models
    facts = model.facts
    header = {
        **facts.hyperparameters,
        "expert_count": 4,
        "expert_used_count": 2,
        "expert_feed_forward_length": 2048,
    }
    tensors = tuple(
        replace(
            group,
            pattern=group.pattern.replace(".weight", "_exps.weight"),
            shape=(*group.shape, 4),
            bytes_each=4 * group.bytes_each,
        )
        if "ffn_" in group.pattern and "norm" not in group.pattern
        else group
        for group in facts.tensors
    )
    facts = replace(facts, architecture="qwen3moe", hyperparameters=header, tensors=tensors)
    return replace(made, models=(replace(model, facts=facts),))


def test_as_few_experts_as_needed_go_to_the_host():
    options = 'ctx_size = 32768\nn_cpu_moe = "auto"\nn_gpu_layers = "auto"'
    made = with_experts(library(models("a", options=options)))
    plan = place(made)
    found = settled(plan, "a")
    assert found.n_gpu_layers == -1
    assert 0 < found.n_cpu_moe < 20
    tries = Trial(made, scale(made), required(made), {"a": found})
    assert tries.fits(made.models[0], found)
    assert not tries.fits(made.models[0], replace(found, n_cpu_moe=found.n_cpu_moe - 1))
    assert reason(plan, "a", "n_cpu_moe").why == "limited by gpu0 in the set {a}"


def test_model_without_experts_has_none_on_the_host():
    plan = planned(models("a", options='ctx_size = 4096\nn_cpu_moe = "auto"'))
    assert settled(plan, "a").n_cpu_moe == 0


def test_batch_of_an_embedder_follows_its_largest_context():
    options = 'role = "embedding"\nctx_size = "max"\nparallel = 2'
    found = settled(planned(models("a", options=options), context=4096), "a")
    assert (found.ctx_size, found.ubatch_size) == (8192, 4096)


def test_model_goes_to_the_device_with_most_room():
    plan = planned(models("a", "b", options='ctx_size = 4096\ndevice = "auto"'), head=TWO_CARDS)
    assert settled(plan, "a").devices == ("gpu0",)


def test_model_too_large_for_one_device_gets_two_and_a_split():
    options = 'ctx_size = 32768\ndevice = "auto"\ntensor_split = "auto"'
    plan = planned(models("a", options=options), head=TWO_CARDS, layers=32)
    assert settled(plan, "a").devices == ("gpu0", "gpu1")
    assert sum(settled(plan, "a").tensor_split) == 33
    assert all(item.free_bytes >= 0 for item in plan.headroom)


def test_nothing_that_fits_is_a_refusal_with_the_smallest_tried():
    with pytest.raises(PlanError) as caught:
        planned(models("a", options='ctx_size = "max"'), head=machine("6GiB"))
    assert caught.value.diagnostics[0].code == "budget.device-full"


def test_what_fits_on_no_device_is_said_of_all_of_them():
    options = 'ctx_size = 1048576\ndevice = "auto"'
    with pytest.raises(PlanError) as caught:
        planned(models("a", options=options), head=TWO_CARDS, layers=32)
    said = [item.message for item in caught.value.diagnostics]
    assert [text.split(" on ")[1][:4] for text in said] == ["gpu0", "gpu1"]


def test_service_leaves_room_for_any_models_of_a_router():
    router = '[services]\non_demand = "router"\n[services.router]\nmodels_max = 2\n'
    own = 'ctx_size = "max"\nn_gpu_layers = 8\nkeep = "always"\n'
    small = "ctx_size = 4096\n"
    plan = planned(models("a", "b", "c", a=own, b=small, c=small) + router)
    assert settled(plan, "a").ctx_size > choices.LEAST_CONTEXT
    assert reason(plan, "a", "ctx_size").why == "limited by gpu0 in the set {a, b, c}"


def test_any_two_of_a_router_share_the_layers_that_fit():
    router = '[services]\non_demand = "router"\n[services.router]\nmodels_max = 2\n'
    options = 'ctx_size = 4096\nn_gpu_layers = "auto"\n'
    plan = planned(models("a", "b", "c", options=options) + router, head=machine("10GiB"))
    assert all(item.free_bytes >= 0 for item in plan.headroom)


def test_contexts_below_the_least_are_found_together():
    text = models("a", "b", options='ctx_size = "max"\nparallel = 12\n', b='keep = "always"')
    plan = planned(text)
    assert all(item.free_bytes >= 0 for item in plan.headroom)
    sizes = [settled(plan, name).ctx_size // 12 for name in ("a", "b")]
    assert max(sizes) < choices.LEAST_CONTEXT


def test_same_input_gives_the_same_settings():
    text = models("a", "b", "c", options='ctx_size = "max"\nn_gpu_layers = "auto"\ndevice = "auto"')
    one, two = (planned(text, head=TWO_CARDS) for _ in range(2))
    assert [item.settings for item in one.placements] == [item.settings for item in two.placements]


def test_context_too_small_for_a_chat_is_warned_of():
    text = models("a", options='ctx_size = "max"\nparallel = 16')
    warned = [note for note in planned(text, layers=50).notes if note.code == "plan.small-context"]
    assert [note.key for note in warned] == [("models", "a", "ctx_size")]
    assert "limited by gpu0 in the set {a}" in warned[0].message
    wide = planned(models("a", options='ctx_size = "max"'))
    assert not [note for note in wide.notes if note.code == "plan.small-context"]


OPEN = 'ctx_size = 4096\nn_cpu_moe = "auto"\ntensor_split = "auto"\ndevice = '


def test_no_card_stays_empty_while_experts_are_on_the_host():
    head = TWO_CARDS.replace('"24GiB"', '"12GiB"')
    options = OPEN + '"auto"'
    plan = place(with_experts(library(models("a", options=options), head=head)))
    found = settled(plan, "a")
    assert found.n_cpu_moe > 0
    assert found.devices == ("gpu0", "gpu1")
    alone = place(with_experts(library(models("a", options=OPEN + '["gpu0"]'), head=head)))
    assert found.n_cpu_moe < settled(alone, "a").n_cpu_moe
    # The first layers have no experts left, so the first card takes more of them.
    assert found.tensor_split[0] > found.tensor_split[1]


def test_one_card_is_enough_where_it_holds_all_experts():
    plan = place(with_experts(library(models("a", options=OPEN + '"auto"'), head=machine("96GiB"))))
    found = settled(plan, "a")
    assert (found.devices, found.n_cpu_moe) == (("gpu0",), 0)
    assert [item.key for item in plan.placement("a").reasons if item.key == "tensor_split"] == []


def test_layers_that_fit_no_single_card_use_every_card():
    text = models("a", options='ctx_size = 4096\nn_gpu_layers = "auto"\ndevice = "auto"')
    plan = planned(text, head=TWO_CARDS.replace('"24GiB"', '"12GiB"'), layers=80)
    found = settled(plan, "a")
    assert found.devices == ("gpu0", "gpu1")
    assert 0 < found.n_gpu_layers < 81
