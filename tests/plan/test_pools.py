from libraries import models, planned
from making import HEAD

from llmgen.budget.memory import HOST
from llmgen.units import MIB

UNIFIED = """
edition = 1
[hardware]
host = "mac"
os = "macos"
backend = "metal"
memory = "64GiB"
reserve = "4GiB"
unified = true
devices = [{ memory = "48GiB", reserve = 0 }]
[paths]
home = "/Users/llm"
"""
SMALL = "ctx_size = 4096"


def by_name(plan):
    return {pool.name: pool for pool in plan.pools}


def test_discrete_card_and_host_are_two_pools():
    found = by_name(planned(models("a", options=SMALL)))
    assert {name: pool.views for name, pool in found.items()} == {
        "host": ("host",),
        "gpu0": ("gpu0",),
    }


def test_unified_memory_is_one_pool_and_its_ceiling_a_second():
    found = by_name(planned(models("a", options=SMALL), head=UNIFIED))
    assert found["unified"].views == ("host", "gpu0")
    assert found["gpu0"].views == ("gpu0",)
    assert found["unified"].budget_bytes > found["gpu0"].budget_bytes


def test_unified_memory_is_charged_for_host_and_device():
    placed = planned(models("a", options=SMALL), head=UNIFIED).placement("a")
    on_host = placed.estimate.on(HOST)
    assert placed.footprint["unified"] == placed.footprint["gpu0"] + on_host


def test_backend_takes_its_own_on_each_device_of_a_process():
    with_overhead = HEAD.replace('process_overhead = "0"', 'process_overhead = "300MiB"')
    plain = planned(models("a", options=SMALL)).placement("a").footprint
    taken = planned(models("a", options=SMALL), head=with_overhead).placement("a").footprint
    assert taken["gpu0"] - plain["gpu0"] == 300 * MIB
    assert taken["host"] == plain["host"]


def test_margin_can_be_left_out():
    text = models("a", options=SMALL)
    bare = planned(text + "[budget]\nmargin = false\n").placement("a")
    full = planned(text).placement("a")
    assert full.footprint["gpu0"] - bare.footprint["gpu0"] == full.estimate.margin["gpu0"] > 0


def test_what_other_programs_hold_is_reserved():
    text = models("a", options=SMALL)
    less = by_name(planned(text + '[budget]\nreserve = { gpu0 = "2GiB" }\n'))["gpu0"]
    assert by_name(planned(text))["gpu0"].budget_bytes - less.budget_bytes == 2048 * MIB


def test_enabled_gateway_takes_host_memory():
    gateway = '[gateway.litellm]\nenable = true\nworkers = 2\nmemory = "500MiB"\n'
    text = models("a", options=SMALL)
    with_gateway = by_name(planned(text + gateway))["host"]
    assert by_name(planned(text))["host"].budget_bytes - with_gateway.budget_bytes == 1000 * MIB
