"""How an engine's memory is known: declared, measured, reserved; never nothing."""

import pytest

from llmgen.engines import vllm
from llmgen.engines.base import Served
from llmgen.engines.memory import ALL, Basis, Claim, Room, Unfit, stated

GIB = 2**30
TWO = Room(
    sizes={"host": 64 * GIB, "gpu0": 24 * GIB, "gpu1": 24 * GIB},
    budgets={"host": 60 * GIB, "gpu0": 23 * GIB, "gpu1": 22 * GIB},
)
ONE = Room(
    sizes={"host": 128 * GIB, "gpu0": 96 * GIB},
    budgets={"host": 120 * GIB, "gpu0": 96 * GIB},
    unified=True,
)


def bytes_of(claims):
    return {item.device: (item.size_bytes, item.basis.value) for item in claims}


def test_what_is_declared_wins_over_what_was_measured():
    found = stated({"gpu0": 5, "host": 3}, {"gpu0": 4, "host": 2}, TWO)
    assert bytes_of(found) == {"gpu0": (5, "declared"), "host": (3, "declared")}


def test_what_was_measured_counts_where_nothing_is_declared():
    found = stated(None, {"gpu0": 4, "host": 2}, TWO)
    assert bytes_of(found) == {"gpu0": (4, "measured"), "host": (2, "measured")}


def test_all_is_what_models_may_use():
    assert bytes_of(stated(ALL, {}, TWO)) == {
        "host": (60 * GIB, "declared"),
        "gpu0": (23 * GIB, "declared"),
        "gpu1": (22 * GIB, "declared"),
    }


def test_all_of_unified_memory_is_counted_once():
    assert bytes_of(stated(ALL, {}, ONE)) == {"host": (120 * GIB, "declared")}


@pytest.mark.parametrize("declared", [None, {"gpu0": GIB}])
def test_a_footprint_without_the_host_is_refused(declared):
    with pytest.raises(Unfit) as refused:
        stated(declared, {}, TWO)
    assert refused.value.code == "models.memory-missing"
    assert 'host = "2GiB"' in refused.value.hint


def test_with_unified_memory_any_device_is_enough():
    assert stated({"gpu0": GIB}, {}, ONE) == (Claim("gpu0", GIB, Basis.DECLARED),)


def vllm_of(**more):
    values = {"name": "m", "names": ("m",), "role": "chat", "serves": ("chat",), "program": "/x"}
    return Served(**values | more)


def test_vllm_reserves_its_part_of_each_device_that_it_works_on():
    told = vllm_of(
        keys={"gpu_memory_utilization": 0.5, "tensor_parallel_size": 2}, memory={"host": 3}
    )
    assert bytes_of(vllm.claims(told, TWO)) == {
        "gpu0": (12 * GIB, "reserved"),
        "gpu1": (12 * GIB, "reserved"),
        "host": (3, "declared"),
    }


def test_vllm_works_on_the_devices_that_are_named():
    told = vllm_of(devices=("gpu1",), memory={"host": 3})
    assert {item.device for item in vllm.claims(told, TWO)} == {"gpu1", "host"}


def test_what_is_reserved_may_not_be_declared_too():
    with pytest.raises(Unfit) as refused:
        vllm.claims(vllm_of(memory={"gpu0": GIB, "host": 3}), TWO)
    assert refused.value.key == ("memory", "gpu0")
