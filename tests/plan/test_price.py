"""What the order of open values costs: every step told is true of the plan with that step written."""

import pytest
from published import machine, model, planned

from llmgen.plan.price import nearest, prices

CARDS = machine("24GiB", "24GiB", memory="64GiB")
KINDS = 'cache_type_k = ["f16", "q8_0", "q4_0"]\ncache_type_v = ["f16", "q8_0", "q4_0"]\n'
NARROW = machine("23700MiB", "23700MiB", memory="64GiB")
EXPERTS = NARROW + model("a", "gpt-oss-120b", 'n_cpu_moe = "auto"\nctx_size = "max"')


def slot(plan):
    (found,) = plan.placements
    return found.settings.ctx_size // found.settings.parallel


def steps(text, key, most=8):
    return [step for step in prices(planned(text), most=most) if step.key == key]


def test_further_experts_on_the_host_buy_context_at_the_price_of_reads():
    found = steps(EXPERTS, "n_cpu_moe")
    assert [int(step.then) - int(step.now) for step in found] == [1, 2]
    assert found[-1].buys_then == "131072"
    # Four of 128 experts of 36 layers are read for each token.
    each = 3 * 2880 * 2880 * 4 * 17 // 32
    assert found[1].read_bytes == 2 * found[0].read_bytes
    assert 0.99 * each < found[0].read_bytes < 1.02 * each


@pytest.mark.parametrize("most", [1, 8])
def test_context_of_each_step_is_what_the_plan_with_it_has(most):
    for step in steps(EXPERTS, "n_cpu_moe", most):
        made = planned(EXPERTS.replace('n_cpu_moe = "auto"', f"n_cpu_moe = {step.then}"))
        assert slot(made) == int(step.buys_then) > int(step.buys_now) == slot(planned(EXPERTS))


def test_cache_types_and_slots_have_their_price_too():
    text = machine("12GiB") + model("a", "gemma-3-12b", f'parallel = 2\nctx_size = "max"\n{KINDS}')
    for step in steps(text, "cache_type"):
        made = planned(
            text.replace(KINDS, f'cache_type_k = "{step.then}"\ncache_type_v = "{step.then}"\n')
        )
        assert slot(made) == int(step.buys_then)
        assert "quality lost" in step.price
    (one,) = steps(text, "parallel")
    assert slot(planned(text.replace("parallel = 2", "parallel = 1"))) == int(one.buys_then)


def test_shares_by_room_are_offered_where_shares_by_layers_waste_it():
    (one,) = steps(EXPERTS, "tensor_split")
    fixed = steps(EXPERTS, "n_cpu_moe")[0].now
    auto = EXPERTS.replace('n_cpu_moe = "auto"', f'n_cpu_moe = {fixed}\ntensor_split = "auto"')
    assert slot(planned(auto)) == int(one.buys_then) > int(one.buys_now)


def test_sentence_names_the_key_that_changes_the_order_and_it_does():
    first = next(nearest(prices(planned(EXPERTS))))
    assert first.sentence.endswith('with `prefer = ["ctx_size"]` in [plan]')
    assert "more from host memory" in first.sentence
    other = EXPERTS.replace("[models.a]", '[plan]\nprefer = ["ctx_size"]\n[models.a]')
    assert slot(planned(other)) == 131072
    assert not steps(other, "n_cpu_moe")


def test_nothing_is_told_where_nothing_better_can_be_bought():
    text = machine("80GiB") + model("a", "qwen3-8b", f'ctx_size = "max"\n{KINDS}')
    assert [*prices(planned(text), most=8)] == []
    closed = machine("80GiB") + model("a", "qwen3-8b", "ctx_size = 4096")
    assert [*prices(planned(closed))] == []


def test_shares_that_were_sought_stay_as_they_are():
    large = model("a", "gemma-3-27b", 'ctx_size = 4096\nkeep = "always"\n# shares')
    keys = 'parallel = 2\nctx_size = "max"\ndevice = ["gpu0"]\ncache_type_k = "q8_0"\n'
    text = machine("12GiB", "16GiB", reserve='"0"') + large + model("b", "gemma-3-12b", keys)
    plan = planned(text)
    shares = [*plan.placement("a").settings.tensor_split]
    written = planned(text.replace("# shares", f"tensor_split = {shares}"))
    found = [*prices(plan, most=8)]
    assert plan.placement("b") == written.placement("b")
    assert found == [*prices(written, most=8)]
    assert [step.key for step in found] == ["parallel", "cache_type"]
