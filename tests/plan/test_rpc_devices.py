"""A model on a device of another machine: its pool, its shares, its names, its endpoints."""

import pytest
from making import HEAD, config, facts

from llmgen.errors import PlanError
from llmgen.plan.place import place
from llmgen.plan.rpc import endpoints, names
from llmgen.resolve import resolve
from llmgen.units import GIB

SPARK = """
[rpc.borrow.spark]
address = "spark"
devices = { gpu0 = "16GiB", gpu1 = "1GiB" }
process_overhead = "100MiB"
ports = { a = 50052, b = 50053 }
[rpc.borrow.studio]
address = "10.0.0.3"
link = "private"
devices = { gpu0 = "8GiB" }
ports = { a = 50060 }
"""


def planned(models, machines=SPARK, head=HEAD):
    return place(resolve(config(machines + models, head=head), {"file:m.gguf": facts()}))


def test_it_is_in_the_pool_of_that_device_with_what_is_lent_of_it():
    plan = planned('[models.a]\nmodel = "m.gguf"\ndevice = ["gpu0", "rpc:spark/gpu0"]\n')
    pool = {item.name: item for item in plan.pools}["rpc:spark/gpu0"]
    assert (pool.budget_bytes, pool.source) == (16 * GIB, "lent by spark")
    (placed,) = plan.placements
    there = placed.footprint["rpc:spark/gpu0"]
    # The backend's own share is the lender's.
    assert there == placed.estimate.on("rpc:spark/gpu0") + 100 * 2**20
    assert placed.footprint["gpu0"] == placed.estimate.on("gpu0")
    assert sum(item.model for item in placed.estimate.memory if item.device.startswith("rpc")) > 0


def test_a_model_that_names_no_device_stays_on_its_own_machine():
    plan = planned('[models.a]\nmodel = "m.gguf"\n[models.b]\nmodel = "m.gguf"\ndevice = "auto"\n')
    assert [item.settings.devices for item in plan.placements] == [("gpu0",), ("gpu0",)]
    assert all("--rpc" not in item.argv for item in plan.placements)


def test_shares_follow_what_each_machine_has():
    (placed,) = planned(
        '[models.a]\nmodel = "m.gguf"\ndevice = ["gpu0", "rpc:spark/gpu0"]\n'
    ).placements
    # 5 layers with the output, on 23.5 and 16 GiB.
    assert placed.settings.tensor_split == (3.0, 2.0)


def test_the_server_is_told_its_endpoints_before_their_devices():
    devices = ["rpc:studio/gpu0", "rpc:spark/gpu1", "gpu0", "rpc:spark/gpu0"]
    (placed,) = planned(f'[models.a]\nmodel = "m.gguf"\ndevice = {devices}\n').placements
    words = placed.argv
    # A tunnel ends at loopback; within a machine devices are numbered in the model's order.
    assert words[words.index("--rpc") + 1] == "10.0.0.3:50060,127.0.0.1:50052"
    assert words[words.index("--device") + 1] == "RPC0,RPC1,CUDA0,RPC2"
    assert words.index("--rpc") < words.index("--device")


def test_each_server_numbers_its_own():
    plan = planned(
        '[models.a]\nmodel = "m.gguf"\ndevice = ["rpc:studio/gpu0", "rpc:spark/gpu0"]\n'
        '[models.b]\nmodel = "m.gguf"\ndevice = ["rpc:spark/gpu1"]\n'
    )
    a, b = plan.placements
    assert names(a.settings, plan.library)["rpc:spark/gpu0"] == "RPC1"
    assert names(b.settings, plan.library)["rpc:spark/gpu1"] == "RPC0"
    assert [*endpoints("b", b.settings, plan.library)] == ["127.0.0.1:50053"]


def test_a_draft_can_be_there_alone():
    table = 'draft = { model = "m.gguf", device = ["rpc:spark/gpu0"] }\n'
    plan = planned(f'[models.a]\nmodel = "m.gguf"\ndevice = ["gpu0"]\n{table}')
    words = plan.placements[0].argv
    assert words[words.index("--rpc") + 1] == "127.0.0.1:50052"
    assert words[words.index("--spec-draft-device") + 1] == "RPC0"


def test_what_does_not_fit_there_names_that_device():
    model = '[models.a]\nmodel = "m.gguf"\ndevice = ["rpc:spark/gpu1"]\nctx_size = 1048576\n'
    with pytest.raises(PlanError, match="rpc:spark/gpu1"):
        planned(model)


LENT = """
[rpc.lend.coder]
port = 50052
memory = { gpu0 = "16GiB", host = "1GiB" }
"""


def test_what_is_lent_is_held_for_good():
    pools = {item.name: item for item in planned("", LENT).pools}
    assert pools["gpu0"].budget_bytes == (24 - 16) * GIB - 512 * 2**20
    assert pools["host"].budget_bytes == (32 - 2 - 1) * GIB


def test_of_shared_memory_it_is_both():
    head = HEAD.replace("process_overhead", "unified = true\nprocess_overhead")
    pools = {item.name: item for item in planned("", LENT, head).pools}
    assert pools["unified"].budget_bytes == (32 - 2 - 17) * GIB
    assert pools["gpu0"].budget_bytes == (24 - 16) * GIB - 512 * 2**20


OPEN = ("", 'ctx_size = "max"\n', 'tensor_split = "auto"\n', 'n_gpu_layers = "auto"\n')


@pytest.mark.parametrize("open_value", OPEN)
def test_open_values_are_found_with_such_devices(open_value):
    fixed = "" if "ctx" in open_value else "ctx_size = 4096\n"
    table = '[models.a]\nmodel = "m.gguf"\ndevice = ["gpu0", "rpc:spark/gpu0"]\n'
    plan = planned(f"{table}{open_value}{fixed}")
    assert plan.placements[0].settings.devices == ("gpu0", "rpc:spark/gpu0")


def test_advice_is_tried_with_such_devices():
    table = '[models.a]\nmodel = "m.gguf"\ndevice = ["gpu0", "rpc:spark/gpu0"]\n'
    with pytest.raises(PlanError) as found:
        planned(f"{table}ctx_size = 40000000\n")
    assert [item.hint.partition(" for")[0] for item in found.value.diagnostics] == [
        "`ctx_size = 8192`"
    ] * 3
