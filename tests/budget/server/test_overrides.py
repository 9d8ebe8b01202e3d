"""Tensors that options move: --override-tensor and --n-cpu-moe, as common/arg.cpp reads them."""

import pytest
from making_facts import group

from llmgen.budget.memory import HOST
from llmgen.budget.server.overrides import is_expert, overrides
from llmgen.budget.settings import ServerSettings, SettingRefused

EXPERTS = group("blk.#.ffn_up_exps.weight", 64, 4)
QUERIES = group("blk.#.attn_q.weight", 64, 4)
PAIR = ("gpu0", "gpu1")


def moved(**settings):
    return overrides(ServerSettings(**{"devices": PAIR, **settings}))


def test_nothing_is_moved_without_an_option():
    found = moved()
    assert not found
    assert found.of(EXPERTS, 0) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blk.#.ffn_up_exps.weight", True),
        ("blk.#.ffn_down_exps.weight", True),
        ("blk.#.ffn_gate_exps.weight", True),
        ("blk.#.ffn_gate_up_exps.weight", True),
        ("blk.#.ffn_up_chexps.weight", True),
        ("blk.#.ffn_up_shexp.weight", False),
        ("blk.#.ffn_gate_inp.weight", False),
        ("blk.#.ffn_up.weight", False),
        ("enc.blk.#.ffn_up_exps.weight", False),
    ],
)
def test_experts_are_known_by_their_names(name, expected):
    """`LLM_FFN_EXPS_REGEX` behind the number of a block."""
    assert is_expert(group(name, 64, 4)) is expected


def test_experts_of_the_first_layers_stay_on_the_host():
    found = moved(n_cpu_moe=2)
    assert [found.of(EXPERTS, layer) for layer in range(4)] == [HOST, HOST, None, None]
    assert found.of(QUERIES, 0) is None


def test_an_expression_is_looked_for_in_the_name_with_its_layer():
    found = moved(override_tensor=((r"blk\.1\.", "CPU"),))
    assert [found.of(QUERIES, layer) for layer in (0, 1, 11)] == [None, HOST, None]


def test_it_need_not_be_the_whole_name():
    assert moved(override_tensor=(("attn", "gpu1"),)).of(QUERIES, 3) == "gpu1"


def test_the_first_that_fits_wins_also_over_experts_on_the_host():
    found = moved(override_tensor=(("up_exps", "gpu1"), ("exps", "CPU")), n_cpu_moe=4)
    assert found.of(EXPERTS, 0) == "gpu1"
    assert found.of(group("blk.#.ffn_down_exps.weight", 64, 4), 0) == HOST


@pytest.mark.parametrize(
    ("target", "device"),
    [
        ("CPU", HOST),
        ("cpu", HOST),
        ("CUDA_Host", HOST),
        ("host", HOST),
        ("gpu1", "gpu1"),
        ("CUDA0", "gpu0"),
        ("CUDA1", "gpu1"),
        ("Vulkan1", "gpu1"),
    ],
)
def test_buffers_are_called_as_the_server_or_the_plan_calls_them(target, device):
    assert moved(override_tensor=(("attn", target),)).of(QUERIES, 0) == device


@pytest.mark.parametrize("target", ["gpu2", "CUDA2", "Metal", ""])
def test_a_buffer_that_is_not_there_is_refused(target):
    with pytest.raises(SettingRefused) as refused:
        moved(override_tensor=(("attn", target),))
    assert refused.value.hint == "use one of CPU, gpu0, gpu1"


def test_an_expression_that_is_none_is_refused_and_shown_shortened():
    with pytest.raises(SettingRefused) as refused:
        moved(override_tensor=(("(" + "a" * 200, "CPU"),))
    assert refused.value.key == "override_tensor"
    assert "a..." in refused.value.message
    assert "a" * 81 not in refused.value.message
