"""Open values against brute force: no wrong refusal, no context below its floor without need."""

from random import Random

import brute
import pytest
from published import library, machine, model, planned

KINDS = '["f16", "q8_0", "q4_0"]'


def settled(text, name):
    return planned(text).placement(name).settings


def test_placement_on_single_cards_is_found_where_the_first_choice_bars_it():
    text = machine("16GiB", "8GiB")
    text += model("a", "qwen3-8b", 'ctx_size = 4096\npin = true\ndevice = "auto"')
    text += model("b", "phi-4", 'ctx_size = 16384\ndevice = "auto"\nsplit_mode = "none"')
    assert settled(text, "a").devices == ("gpu1",)
    assert settled(text, "b").devices == ("gpu0",)


def test_cache_type_gives_way_to_the_floor_of_the_context():
    text = machine("9GiB") + model(
        "a",
        "gemma-3-12b",
        f'parallel = 2\nctx_size = "max"\ncache_type_k = {KINDS}\ncache_type_v = {KINDS}',
    )
    found = settled(text, "a")
    assert found.ctx_size >= 2 * 4096
    wide = text.replace(KINDS, '"f16"')
    assert settled(wide, "a").ctx_size < 2 * 4096


def test_below_the_floor_the_choice_that_comes_nearest_is_taken():
    text = machine("8GiB") + model(
        "a",
        "gemma-3-12b",
        f'parallel = 2\nctx_size = "max"\ncache_type_k = {KINDS}\ncache_type_v = {KINDS}',
    )
    alone = settled(text.replace(KINDS, '"q4_0"'), "a").ctx_size
    assert settled(text, "a").ctx_size == alone < 2 * 4096


def test_experts_give_way_to_the_floor_of_the_context():
    text = machine("12GiB", memory="32GiB") + model(
        "a", "qwen3-30b-a3b", 'n_cpu_moe = "auto"\nctx_size = "max"\nparallel = 4'
    )
    assert settled(text, "a").ctx_size >= 4 * 4096


@pytest.mark.parametrize(
    ("cards", "file"),
    [
        (("12GiB", "24GiB"), "qwen3-32b"),
        (("24GiB", "8GiB"), "gemma-3-27b"),
        (("16GiB", "16GiB"), "gemma-3-27b"),
        (("24GiB", "24GiB"), "llama-3.3-70b"),
    ],
)
def test_no_other_split_reaches_a_longer_context(cards, file):
    text = machine(*cards) + model(
        "a", file, 'ctx_size = "max"\ntensor_split = "auto"\ncache_type_k = "q8_0"'
    )
    made, plan = library(text), planned(text)
    now = plan.placement("a").settings
    longer = now.ctx_size + 256
    if longer <= made.models[0].facts.hyperparameters["context_length"]:
        weigh = brute.scale(made)
        others = brute.choices(made, made.models[0], longer, step=1)
        assert not any(brute.fits(made, weigh, {"a": one}) for one in others)


TRIED = [
    f"{machine(*cards, memory='32GiB')}{wish}{first}{second}"
    for cards in (("16GiB", "12GiB"), ("24GiB", "8GiB"), ("12GiB", "12GiB", "8GiB"))
    for wish in ("", '[plan]\ntogether = [["a", "b"]]\n')
    for first in (
        model("a", "qwen3-8b", 'ctx_size = 16384\npin = true\ndevice = "auto"'),
        model("a", "gemma-3-12b", 'ctx_size = "max"\nkeep = "always"\ndevice = "auto"'),
    )
    for second in (
        model("b", "phi-4", 'ctx_size = 16384\ndevice = "auto"'),
        model("b", "gpt-oss-20b", 'ctx_size = 65536\ndevice = "auto"\nn_cpu_moe = "auto"'),
    )
]


@pytest.mark.sample(5)
@pytest.mark.parametrize("text", TRIED)
def test_nothing_is_refused_that_some_placement_fits(text):
    assert not brute.wrong(text)


@pytest.mark.sample(5)
@pytest.mark.parametrize("number", range(12))
def test_nothing_random_is_refused_that_some_placement_fits(number):
    assert not brute.wrong(brute.drawn(Random(1000 + number)))
