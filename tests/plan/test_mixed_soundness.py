"""Ten thousand random llm.toml files of mixed engines: no state passes a pool, none is missing.

Footprints are computed here from what the text says, without llmgen: declared bytes, vLLM's part of
a device, and for llama-server what its estimate says (compared with the server elsewhere).
"""

from functools import cache
from math import ceil
from random import Random

import pytest
from making import facts
from simulator import MatrixSwap
from stacks import fitting, maximal, plannable

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.engines.digest import served_digest
from llmgen.engines.registry import ENGINES
from llmgen.facts.lock_model import Run
from llmgen.layout import layout
from llmgen.plan.place import place
from llmgen.plan.stack import Stack
from llmgen.resolve import resolve
from llmgen.resolve.engine_models import served

GIB = 2**30
STACKS, PARTS, STEPS = 10_000, 100, 12
SMALL = {"file:a.gguf": facts("a.gguf")}
HEAD = """edition = 1
[paths]
home = "/home/llm"
[hardware]
os = "linux"
backend = "cuda"
memory = "64GiB"
reserve = "0"
process_overhead = "0"
"""
# Names of models tell nothing of their engine.
KINDS = ("llama-server", "vllm", "command", "whisper", "measured")


@cache
def alone():
    """What llama-server takes of the host and of a card, on one card."""
    text = f"""{HEAD}devices = [{{ memory = "24GiB", reserve = "0" }}]
[models.m]
model = "a.gguf"
"""
    return place(resolve(load([parse("llm.toml", text)]), SMALL)).placement("m").footprint


def random_text(random):
    """(llm.toml, the same as numbers, what was measured of its models)."""
    cards = random.randint(1, 2)
    pools = {"host": random.randint(16, 64)} | {
        f"gpu{card}": random.randint(8, 40) for card in range(cards)
    }
    devices = ", ".join(
        f'{{ memory = "{pools[f"gpu{card}"]}GiB", reserve = "0" }}' for card in range(cards)
    )
    lines = [HEAD.replace("64GiB", f"{pools['host']}GiB") + f"devices = [{devices}]"]
    llama = alone()
    sizes, measured, always, pinned = {}, {}, set(), set()
    for number in range(random.randint(2, 7)):
        name, kind = f"m{number}", random.choice(KINDS)
        lines.append(f"[models.{name}]")
        if random.random() < 0.1:
            lines.append('keep = "always"')
            always.add(name)
        elif random.random() < 0.1:
            lines.append("pin = true")
            pinned.add(name)
        sizes[name] = {"host": random.randint(1, 8) * GIB}
        card = f"gpu{random.randrange(cards)}"
        if kind == "llama-server":
            lines += ['model = "a.gguf"', f'device = ["{card}"]']
            sizes[name] = {"host": llama["host"], card: llama["gpu0"]}
        elif kind == "vllm":
            part = random.randint(10, 95) / 100
            # vLLM's own arithmetic (worker/utils.py, request_memory).
            sizes[name][card] = ceil(part * (pools[card] * GIB))
            lines += [
                'engine = "vllm"',
                'hf_repo = "org/m"',
                f'device = ["{card}"]',
                f"gpu_memory_utilization = {part}",
                f"memory.host = {sizes[name]['host']}",
            ]
        else:
            if random.random() < 0.8:
                sizes[name][card] = random.randint(1, 60) * GIB // 4
            if kind == "whisper":
                lines += ['engine = "whisper"', 'model = "w.bin"']
            else:
                lines += ['engine = "command"', 'cmd = ["/x", "${PORT}"]']
            if kind == "measured":
                measured[name] = sizes[name]
            else:
                pairs = ", ".join(f"{key} = {size}" for key, size in sizes[name].items())
                lines.append(f"memory = {{ {pairs} }}")
    whole = {name: {pool: size.get(pool, 0) for pool in pools} for name, size in sizes.items()}
    stack = Stack(
        budgets={pool: size * GIB for pool, size in pools.items()},
        demand={name: size for name, size in whole.items() if name not in always},
        always={name: whole[name] for name in sizes if name in always},
        pinned=frozenset(pinned),
    )
    return "\n".join(lines), stack, measured


def runs(config, measured):
    """What the lock says of models that `llmgen measure` has seen."""
    engine, where = ENGINES["command"], layout(config.paths, "user")
    tables = {name: config.models[name] for name in measured}
    told = {name: served(name, table, engine, where, alone=False) for name, table in tables.items()}
    return {
        name: Run(served_digest(engine, told[name]), "2026-01-01", "x", peak)
        for name, peak in measured.items()
    }


def mixed_plans(part, count):
    """Plans of stacks in which each model can be loaded; what is refused is told elsewhere."""
    random, found = Random(part), 0
    while found < count:
        text, stack, measured = random_text(random)
        if stack.allows(stack.pinned) and plannable(stack):
            found += 1
            config = load([parse("llm.toml", text)])
            yield place(resolve(config, SMALL, runs=runs(config, measured))), stack, random


@pytest.mark.parametrize("part", range(PARTS))
def test_every_state_of_mixed_engines_fits_and_no_set_is_missing(part):
    seen = set()
    for plan, stack, random in mixed_plans(part, STACKS // PARTS):
        for item in plan.placements:
            sizes = stack.demand.get(item.name) or stack.always[item.name]
            assert {pool: item.footprint[pool] for pool in sizes} == sizes, item.name
            seen |= {*item.estimate.basis.values()} or {"computed"}
        if not stack.demand:
            continue
        fits, matrix = fitting(stack), plan.engines["local"]
        assert {*map(frozenset, matrix.listed)} == maximal(fits, stack)
        swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
        for name in stack.pinned:
            swap.request(name)
        for name in random.choices([*stack.demand], k=STEPS):
            assert swap.request(name) in fits
    assert seen == {"computed", "reserved", "measured", "declared"}
