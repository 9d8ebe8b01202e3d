"""Settings that end the program by an assertion of its own; each was seen to, each hint to help."""

import pytest
from making_facts import facts, llama
from oracle.comparison import all_facts

from llmgen.budget.context import context
from llmgen.budget.settings import ServerSettings, SettingRefused

MEAN = {"embedding": True, "pooling": "mean"}
KIMI, NOMIC, LLAMA = "kimi-linear-48b", "nomic-embed-text-v1.5", "llama-3.1-8b"


def made(model, build=11434, **settings):
    return context(all_facts()[model], ServerSettings(**settings), build)


@pytest.mark.parametrize(
    ("model", "settings", "hint"),
    [
        (NOMIC, {"embedding": True, "parallel": 3}, "`parallel = 2`"),  # the header says mean
        (LLAMA, MEAN | {"parallel": 3, "kv_unified": True}, "`parallel = 2`"),
        (LLAMA, MEAN | {"parallel": 7, "ubatch_size": 510}, "`parallel = 6`"),
        ("fixture/modern-bert", MEAN | {"pooling": "rank", "parallel": 3}, "`parallel = 2`"),
        (KIMI, {"ctx_size": 5000, "parallel": 3}, "`parallel = 2`"),
    ],
)
def test_slots_that_do_not_share_a_micro_batch_evenly_are_refused(model, settings, hint):
    with pytest.raises(SettingRefused) as refused:
        made(model, **settings)
    assert refused.value.key == "parallel"
    assert hint in refused.value.hint
    made(model, **settings | {"parallel": int(hint.split()[-1].strip("`"))})


def test_slots_of_t5_share_one_cache():
    values = {**llama().hyperparameters, "attention.relative_buckets_count": 32}
    model = facts("t5", values)
    with pytest.raises(SettingRefused) as refused:
        context(model, ServerSettings(parallel=2))
    assert refused.value.hint == "use `kv_unified = true`, or `parallel = 1`"
    assert context(model, ServerSettings(parallel=2, kv_unified=True)).counts.slots == 2
    assert context(model, ServerSettings(parallel=1)).counts.slots == 1


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (NOMIC, {"embedding": True, "pooling": "cls", "parallel": 3}),
        (NOMIC, {"embedding": True, "parallel": 3, "ubatch_size": 513}),
        (NOMIC, {"parallel": 3}),
        ("fixture/cogvlm-dense", MEAN | {"parallel": 3}),  # has an output of every token anyway
        (KIMI, {"ctx_size": 5000, "parallel": 3, "kv_unified": True}),
        (KIMI, {"ctx_size": 5000, "parallel": 3, "build": 10715}),
        ("fixture/minimax-01-moe", {"ctx_size": 5000, "parallel": 3}),  # attends in its last layer
    ],
)
def test_others_are_not(model, settings):
    assert made(model, **settings).counts.slots == 3
