"""Advice: cheapest first, and true: the change, once made in llm.toml, plans."""

import re
from functools import cache
from random import Random

import drawn
import published
import pytest
from libraries import TWO_CARDS, library, models, planned
from msgspec.structs import replace

from llmgen.errors import PlanError
from llmgen.facts.gguf_facts import ModelFile
from llmgen.plan.changes import RANK, changes
from llmgen.plan.place import place


@cache
def refusal_of(case):
    """The refusal of one of the cases, which several tests look at."""
    text, more = CASES[case]
    return refusal(text, **more)


def refusal(text, **more):
    with pytest.raises(PlanError) as caught:
        planned(text, **more)
    return caught.value.diagnostics[0]


def ways(found):
    return [found.hint, *(note[6:] for note in found.notes if note.startswith("also: "))]


def applied(text, way):
    """llm.toml with the edits of a hint made by hand."""
    for edits, name in re.findall(r"((?:`\w+ = [^`]+`(?: and )?)+) for `(\w+)`", way):
        keys = re.findall(r"`(\w+) = ([^`]+)`", edits)
        head, tail = text.split(f"[models.{name}]\n")
        own, *rest = tail.split("\n[", 1)
        own = "\n".join(line for line in own.splitlines() if line.split(" =")[0] not in dict(keys))
        lines = "\n".join(f"{key} = {value}" for key, value in keys)
        text = f"{head}[models.{name}]\n{lines}\n{own}\n" + "".join(f"\n[{item}" for item in rest)
    return text


CASES = {
    "context": (models("a", options="ctx_size = 131072"), {}),
    "slots": (models("a", options="ctx_size = 262144\nparallel = 8"), {}),
    "wish": (
        models("a", "b", options="ctx_size = 32768") + '[plan]\ntogether = [["a", "b"]]\n',
        {},
    ),
    "pin": (models("a", "b", options="ctx_size = 32768", a="pin = true"), {}),
    "service": (models("a", "b", options="ctx_size = 40960", a='keep = "always"'), {}),
    "device": (
        models(
            "a",
            "b",
            options='ctx_size = 4096\ncache_type_k = "q4_0"\ncache_type_v = "q4_0"',
            a='device = ["gpu1"]\nkeep = "always"',
            b='device = ["gpu1"]\nkeep = "always"',
        ),
        {"head": TWO_CARDS},
    ),
    "layers": (models("a", options="ctx_size = 4096\nubatch_size = 128"), {"layers": 80}),
    "pins": (
        models("a", "b", options="ctx_size = 16384\nubatch_size = 128\npin = true"),
        {"layers": 32},
    ),
    "preloads": (models("a", "b", options="ctx_size = 16384\npreload = true"), {"layers": 32}),
    "host": (models("a", options='ctx_size = 4096\nctx_checkpoints = 4\ncache_ram = "40GiB"'), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_way_out_plans_when_followed(case):
    text, more = CASES[case]
    for way in ways(refusal_of(case)):
        planned(applied(text, way), **more)


@pytest.mark.parametrize("case", CASES)
def test_cheaper_kinds_come_first(case):
    first = [re.search(r"`(\w+) = ", way)[1] for way in ways(refusal_of(case))]
    ranks = [RANK.index(key) for key in first]
    assert ranks == sorted(ranks)


def test_cache_type_comes_before_a_smaller_context():
    found = refusal(models("a", options="ctx_size = 65536"))
    assert found.hint.startswith('`cache_type_k = "q8_0"` and `cache_type_v = "q8_0"` for `a` fits')
    assert any("`ctx_size = 50944`" in note for note in found.notes)


def test_price_stands_beside_the_change():
    found = refusal(models("a", options="ctx_size = 65536"))
    assert "less; hardly any quality lost)" in found.hint


def test_change_that_wins_nothing_of_its_own_names_only_its_price():
    for way in ways(refusal_of("service")):
        assert " 0 B less" not in way
        assert "(0 B less" not in way
    assert any("on_demand" in way for way in ways(refusal_of("service")))


def test_one_step_more_context_than_advised_does_not_plan():
    text = models("a", options="ctx_size = 131072")
    way = next(way for way in ways(refusal(text)) if way.startswith("`ctx_size"))
    size = int(re.search(r"ctx_size = (\d+)", way)[1])
    assert refusal(text.replace("131072", str(size + 256))).code == "budget.device-full"


def test_changes_of_one_kind_win_more_and_more():
    made = library(models("a", options="ctx_size = 32768\nparallel = 4"))
    sizes = [
        change.model.settings.ctx_size
        for change in changes(made.model("a"), made)
        if change.kind == "parallel"
    ]
    assert sizes == [24576, 16384, 8192]


def test_pins_that_exclude_each_other_are_both_loosened():
    text, more = CASES["pins"]
    loose = [way for way in ways(refusal(text, **more)) if "`pin = false`" in way]
    assert len(loose) == 1
    assert loose[0].count("`pin = false`") == 2
    assert "may be evicted" in loose[0]


def test_router_that_keeps_too_many_is_told_how_many_fit():
    text = models("a", "b", options="ctx_size = 16384", b="keep = 'on_demand'")
    services = '[services]\non_demand = "router"\n[services.router]\nmodels_max = '
    found = refusal(f"{text}{services}2\n", layers=32)
    assert found.hint.startswith('`models_max = "auto"` in [services.router]')
    (engine,) = planned(f'{text}{services}"auto"\n', layers=32).engines.values()
    assert engine.models_max == 1


def test_preload_is_left_out_before_contexts_shrink():
    text, more = CASES["preloads"]
    assert refusal(text, **more).hint.startswith("`preload = false` for `")


def test_dense_model_too_large_for_the_cards_is_offered_fewer_layers():
    text, more = CASES["layers"]
    found = refusal(text, **more)
    count = int(re.search(r"`n_gpu_layers = (\d+)` for `a` fits", found.hint)[1])
    assert f"{81 - count} of 81 layers run on the host" in found.hint
    more_layers = text.replace("ubatch", f"n_gpu_layers = {count + 1}\nubatch")
    assert refusal(more_layers, **more).code == "budget.device-full"


def test_what_no_change_mends_says_so():
    head = TWO_CARDS.replace('"24GiB"', '"4GiB"').replace('"12GiB"', '"4GiB"')
    head = head.replace('"64GiB"', '"6GiB"')
    found = refusal(models("a", options="ctx_size = 4096"), head=head, layers=32)
    assert found.hint.startswith("no change that llmgen knows fits by itself; ")
    assert "with 256 tokens of context `a` still needs 6.9 GiB of gpu0" in found.hint


def test_both_full_pools_of_a_model_get_the_change_that_mends_them():
    head = TWO_CARDS.replace('"12GiB"', '"24GiB"')
    options = 'ctx_size = 262144\ndevice = ["gpu0", "gpu1"]\ntensor_split = [1, 1]'
    with pytest.raises(PlanError) as caught:
        planned(models("a", options=options), head=head)
    assert len(caught.value.diagnostics) == 2
    for found in caught.value.diagnostics:
        planned(applied(models("a", options=options), found.hint), head=head)


def test_shorter_inputs_are_offered_for_an_embedder():
    text = models("a", options='role = "embedding"\nctx_size = 131072')
    found = refusal(text)
    assert re.search(
        r"`ctx_size = \d+` for `a` fits .* instead of 128K tokens for one input", found.hint
    )
    planned(applied(text, found.hint))


def test_smaller_quant_of_the_library_is_offered_with_its_file():
    text = models("a", options="ctx_size = 4096") + models("b", options="ctx_size = 512")
    made = library(text)
    large, small = made.models
    small = replace(small, facts=replace(small.facts, files=(ModelFile("b.gguf", 1),)))
    made = replace(made, models=(large, small))
    found = [change for change in changes(large, made) if change.kind == "model"]
    assert [change.edits for change in found] == [(("model", '"b.gguf"'),)]
    assert found[0].model.facts is small.facts


def test_a_header_of_absurd_numbers_is_planned_like_any_other():
    # Every context up to the trained one was looked at, which took for ever.
    found = refusal(models("a", options="ctx_size = 131072"), context=2**64 - 1)
    assert found.code == "budget.device-full"
    (made,) = planned(models("a", options='ctx_size = "max"'), context=2**64 - 1).placements
    assert made.estimate.n_ctx < 2**31


@pytest.mark.parametrize("options", ['n_gpu_layers = "auto"', 'n_cpu_moe = "auto"'])
def test_layers_that_no_model_has_are_refused_before_they_are_counted(options):
    made = library(models("a", options=options))
    (model,) = made.models
    absurd = {**model.facts.hyperparameters, "block_count": 2**63 - 1, "expert_count": 8}
    model = replace(model, facts=replace(model.facts, hyperparameters=absurd))
    with pytest.raises(PlanError, match="`block_count` is 9223372036854775807"):
        place(replace(made, models=(model,)))


def test_smallest_machine_that_would_do_is_named_and_fits():
    text = 'edition = 1\n[hardware]\nprofile = "apple-silicon-64gb"\n[paths]\nhome = "/Users/me"\n'
    text += published.model("big", "gpt-oss-120b", 'ctx_size = "128K"')
    with pytest.raises(PlanError) as caught:
        published.planned(text)
    for found in caught.value.diagnostics:
        (name,) = re.findall(r"`profile = \"([^\"]+)\"` is the smallest built-in", found.hint)
        assert name == "apple-silicon-96gb"
    assert "with 256 tokens of context `big` still needs 58.5 GiB of gpu0" in found.hint
    published.planned(text.replace("apple-silicon-64gb", name))


def test_batch_of_an_embedder_with_fewer_slots_is_that_of_its_new_slots():
    text = published.machine(memory="2400MiB", reserve='"0"')
    text += published.model("e", "bge-m3", 'role = "embedding"\nparallel = 2')
    with pytest.raises(PlanError) as caught:
        published.planned(text)
    told = drawn.ways(caught.value.diagnostics[0])
    assert told
    for way in told:
        published.planned(drawn.followed(text, way))


def test_change_that_the_server_would_refuse_is_no_advice():
    text = models("a", options='ctx_size = 131072\nflash_attn = "off"')
    assert ways(refusal(text)) == [
        "`ctx_size = 39168` for `a` fits (36.7 GiB less; 39168 instead of 128K of context)"
    ]


GROUPED = '[plan]\nengine = "groups"\nnever_together = [["b", "d"], ["c", "d"]]\n'


def test_advice_is_planned_with_the_engine_that_is_wanted():
    small = models("b", "c", "d", options="ctx_size = 512\nn_gpu_layers = 4")
    text = models("a", options="ctx_size = 131072") + small + GROUPED
    told = ways(refusal(text))
    assert told
    for way in told:
        assert '`engine = "matrix"` in [plan]' in way
        planned(drawn.followed(text, way))


@pytest.mark.sample(3)
@pytest.mark.parametrize("number", [1, 2, 3, 5, 6, 7])
def test_every_way_out_of_a_random_refusal_mends_it(number):
    assert drawn.idle(drawn.drawn(Random(number), most=2)) == []
