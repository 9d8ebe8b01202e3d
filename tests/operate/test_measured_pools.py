"""What a pool holds against its plan: of one card, of two, of memory that host and card share."""

from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from llmgen.detect.devices import Gpu
from llmgen.library import Keep
from llmgen.operate.engines.swap import Loaded
from llmgen.operate.status.observations import Observed, Process, ServerState
from llmgen.operate.status.rows import PoolStatus, pools
from llmgen.plan.plan import Pool

GIB = 2**30


def placement(name, keep, footprint, port=0):
    estimate = SimpleNamespace(on=lambda device: GIB if device == "host" else 0)
    model = SimpleNamespace(path=f"/m/{name}.gguf", is_llama=True, is_plain=True)
    return SimpleNamespace(
        name=name, keep=keep, port=port, argv=(name,), estimate=estimate, model=model,
        footprint=footprint,
    )  # fmt: skip


def plan(*made, devices=("gpu0",)):
    known = [SimpleNamespace(key=key, memory_bytes=24 * GIB) for key in devices]
    machine = SimpleNamespace(host="box", devices=known, process_overhead_bytes=0)
    footprint = {pool.name: 4 * GIB for pool in made}
    return SimpleNamespace(
        library=SimpleNamespace(machine=machine),
        pools=(*made, Pool("elsewhere", "host", ("host",), GIB)),
        placements=[
            placement("a", Keep.ALWAYS, footprint, 9001),
            placement("b", Keep.ON_DEMAND, footprint),
            placement("c", Keep.ON_DEMAND, footprint),
        ],
    )


HOST = Pool("box", "host", ("host",), 64 * GIB, 4 * GIB)
CARD = Pool("box", "gpu0", ("gpu0",), 24 * GIB, GIB)
OTHER = Pool("box", "gpu1", ("gpu1",), 24 * GIB, GIB)
UNIFIED = Pool("box", "unified", ("host", "gpu0"), 128 * GIB, 8 * GIB)
SEEN = Observed(
    {},
    {9001: Process(1, memory_bytes=GIB)},
    processes={1: Process(1, memory_bytes=GIB), 2: Process(2, memory_bytes=2 * GIB)},
    answers={"a": ServerState("ok")},
    loaded=(Loaded("b", "ready"),),
    devices=(Gpu("x", 24 * GIB, 10 * GIB, 14 * GIB), Gpu("y", 24 * GIB, 5 * GIB, 19 * GIB)),
    device_memory={1: 3 * GIB, 2: 4 * GIB},
    host_used=20 * GIB,
)


def test_host_and_card_are_two_pools():
    assert [*pools(plan(HOST, CARD), SEEN)] == [
        PoolStatus("host", 8 * GIB, 3 * GIB, 20 * GIB, 60 * GIB, 64 * GIB),
        PoolStatus("gpu0", 8 * GIB, 7 * GIB, 10 * GIB, 23 * GIB, 24 * GIB),
    ]


def test_shared_memory_holds_both_and_the_host_counts_it():
    (found,) = pools(plan(UNIFIED), SEEN)
    assert (found.held, found.used) == (10 * GIB, 20 * GIB)


def test_of_two_cards_no_driver_tells_which_a_process_uses():
    first, second = pools(plan(CARD, OTHER, devices=("gpu0", "gpu1")), SEEN)
    assert (first.held, second.held) == (None, None)
    assert (first.used, second.used) == (10 * GIB, 5 * GIB)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"devices": ()}, (8 * GIB, 7 * GIB, None)),
        ({"device_memory": {}}, (8 * GIB, None, 10 * GIB)),
        ({"loaded": None}, (None, 7 * GIB, 10 * GIB)),
        ({"loaded": ()}, (4 * GIB, 7 * GIB, 10 * GIB)),
    ],
)
def test_what_nobody_tells_is_unknown(changes, expected):
    (found,) = pools(plan(CARD), replace(SEEN, **changes))
    assert (found.planned, found.held, found.used) == expected
