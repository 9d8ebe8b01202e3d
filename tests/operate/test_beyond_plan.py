"""What models were measured to hold beyond their plan, and the pools that are short by it."""

from types import SimpleNamespace

import pytest
from making import config, facts
from msgspec.structs import replace

from llmgen.cli.proposal import proposals
from llmgen.detect.devices import Gpu
from llmgen.facts.lock_model import Run
from llmgen.operate.status.beyond_plan import beyond_plan
from llmgen.operate.status.left_by_others import left_by_others
from llmgen.operate.status.observations import Observed, Process, ServerState
from llmgen.plan.place import place
from llmgen.plan.start_command import command_digest
from llmgen.resolve import resolve
from llmgen.units import GIB, MIB

HEAD = """
edition = 2
[hardware]
host = "box"
os = "linux"
backend = "cuda"
memory = "64GiB"
reserve = "2GiB"
process_overhead = "300MiB"
devices = [{ memory = "24GiB", reserve = "1GiB" }, { memory = "24GiB" }]
[paths]
home = "/home/llm"
"""
TEXT = """
[models.a]
model = "a.gguf"
device = ["gpu0"]
ctx_size = 131072
keep = "always"
[models.b]
model = "b.gguf"
device = ["gpu1"]
ctx_size = 65536
"""
BIG = facts(
    layers=32, embedding=4096, heads=32, heads_kv=8, feed_forward=4096, context=131072
)  # fmt: skip


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    found = SimpleNamespace(total=64 * GIB, available=60 * GIB)
    monkeypatch.setattr("psutil.virtual_memory", lambda: found)


def planned(runs=None, head=HEAD):
    lock = {f"file:{name}.gguf": replace(BIG, files=facts(f"{name}.gguf").files) for name in "ab"}
    return place(resolve(config(TEXT, head=head), lock, runs=runs or {}))


def measured(plan, name, device, more, digest=""):
    item = plan.placement(name)
    held = item.estimate.on(device) + plan.library.machine.process_overhead_bytes + more
    digest = digest or command_digest(item, plan.library)
    return {name: Run(digest, "2026-11-28", "b11434", {device: held})}


NOTHING = Observed(units={}, listeners={})


def test_a_model_within_its_plan_is_not_named():
    plan = planned()
    assert beyond_plan(planned(measured(plan, "a", "gpu0", 0)), NOTHING) == ()


def test_a_run_of_another_command_says_nothing():
    plan = planned()
    other = measured(plan, "a", "gpu0", GIB, digest="0" * 64)
    assert beyond_plan(planned(other), NOTHING) == ()


def test_more_than_planned_on_one_of_two_cards_is_counted_there():
    plan = planned()
    free = next(room.free_bytes for room in plan.headroom if room.pool.name == "gpu0")
    plan = planned(measured(plan, "a", "gpu0", free + 512 * MIB))
    shorts = [item for item in left_by_others(plan, NOTHING) if item.missing_bytes > 0]
    (short,) = shorts
    assert (short.device, short.missing_bytes) == ("gpu0", 512 * MIB)
    assert "beside 1.0 GiB kept; `a` holds" in short.observed
    ((_, told),) = proposals(plan, shorts)
    assert 'cache_type_k = "q8_0"` and `cache_type_v = "q8_0"` for `a` fits' in told
    assert "`ctx_size = " in told


def test_what_a_running_server_holds_counts_when_it_is_more():
    one = HEAD.replace(', { memory = "24GiB" }]', "]")
    lock = {"file:a.gguf": replace(BIG, files=facts("a.gguf").files)}
    plan = place(resolve(config(TEXT.partition("[models.b]")[0], head=one), lock))
    item = plan.placement("a")
    process = Process(7, item.argv, memory_bytes=item.estimate.on("host") + 3 * GIB)
    used = item.estimate.on("gpu0") + 300 * MIB + 2 * GIB
    seen = replace(
        NOTHING,
        listeners={item.port: process},
        processes={7: process},
        answers={"a": ServerState("ok")},
        devices=(Gpu("card", 24 * GIB, used + GIB, 23 * GIB - used),),
        device_memory={7: used},
        loaded=(),
    )
    found = {row.device: row.size_bytes for row in beyond_plan(plan, seen)}
    assert found == {"host": 3 * GIB, "gpu0": 2 * GIB}
    card = next(row for row in left_by_others(plan, seen) if row.device == "gpu0")
    assert (card.others_bytes, card.uncounted_bytes) == (GIB, 2 * GIB)
