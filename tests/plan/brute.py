"""By brute force: whether any allowed choice of open values makes everything fit.

Nothing of the planner's search is used: every set of devices, every division into layers in steps,
every cache type and number of layers, summed over the sets that llm.toml asks for.
``python tests/plan/brute.py COUNT SEED`` looks at so many random stacks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import combinations, product
from random import Random

import drawn as draw
from msgspec.structs import replace
from published import library as read
from published import machine, planned
from published import model as table

from llmgen.errors import PlanError
from llmgen.library import Keep, Library, Model
from llmgen.plan.scale import Scale, scale
from llmgen.plan.splits import told
from llmgen.resolve.settings import batches


def sets(library: Library) -> list[frozenset[str]]:
    """What must fit together, always-on models included."""
    always = {item.name for item in library.models if item.keep is Keep.ALWAYS}
    demand = [item for item in library.models if item.keep is Keep.ON_DEMAND]
    pinned = {item.name for item in demand if item.pin}
    names = {item.name for item in demand}
    groups = [pinned, *({name} | pinned for name in names)]
    groups += [pinned | (set(group) & names) for group in library.config.plan.together]
    groups.append(pinned | {item.name for item in demand if item.preload})
    return [frozenset(group | always) for group in groups]


def fits(library: Library, weigh: Scale, chosen) -> bool:
    """Whether these settings of all models do."""
    try:
        whole = told(library, weigh, chosen)
        used = {name: weigh.footprint(weigh.models[name], one) for name, one in whole.items()}
    except PlanError:
        return False
    return all(
        sum(used[name][pool.name] for name in group) <= pool.budget_bytes
        for group in sets(library)
        for pool in weigh.pools
    )


def slots(model: Model) -> int:
    return 1 if model.settings.kv_unified else model.settings.parallel


def least(model: Model) -> int:
    """The floor of an open context: 4096 tokens for each slot, or what it was trained for."""
    trained = int(model.facts.hyperparameters["context_length"]) // 256 * 256
    return min(4096, trained) * slots(model)


def choices(
    library: Library, model: Model, context: int, *, coarse: int = 1, step: int = 2
) -> Iterator:
    """Every allowed setting of one model with this context, where that is open."""
    opened, now = model.open, model.settings
    table = library.config.models[model.name]
    keys = [item.key for item in library.machine.devices]
    devices = [now.devices]
    if opened.device:
        devices = [item for size in range(1, len(keys) + 1) for item in combinations(keys, size)]
    types = [(now.cache_type_k, now.cache_type_v)]
    if opened.cache_type_k:
        types = [(kind, kind) for kind in opened.cache_type_k]
    blocks = int(model.facts.hyperparameters["block_count"])
    experts = [now.n_cpu_moe]
    if opened.n_cpu_moe and model.facts.hyperparameters.get("expert_count"):
        experts = [*range(0, blocks, coarse), blocks]
    layers = [-1, *range(blocks, -1, -coarse), 0] if opened.n_gpu_layers else [now.n_gpu_layers]
    context = context if opened.ctx_size else now.ctx_size
    batch, ubatch = batches(table, model.options, context, slots(model))
    for keys, kind, count, on in product(devices, types, experts, layers):
        settings = replace(
            now, devices=keys, cache_type_k=kind[0], cache_type_v=kind[1], n_cpu_moe=count,
            n_gpu_layers=on, ctx_size=context, batch_size=batch, ubatch_size=ubatch,
            tensor_split=() if len(keys) != len(now.devices) else now.tensor_split,
        )  # fmt: skip
        for split in divisions(model, keys, blocks + 1, step):
            yield replace(settings, tensor_split=split) if split else settings


def divisions(model: Model, devices, layers: int, step: int) -> Iterator[tuple[float, ...]]:
    """Every division of the layers in steps, where llm.toml leaves it open."""
    if not model.open.tensor_split or len(devices) < 2:
        yield ()
        return
    for counts in product(range(1, layers, step), repeat=len(devices) - 1):
        if sum(counts) < layers:
            yield (*map(float, counts), float(layers - sum(counts)))


def placeable(library: Library, *, coarse: int = 1) -> bool:
    """Whether any choices of all models, contexts of one step, fit."""
    weigh = scale(library)
    # Longer lists of what one model can be are no matter of a test.
    lists = [
        [*choices(library, model, 256 * slots(model), coarse=coarse)] for model in library.models
    ]
    names = [model.name for model in library.models]
    return any(
        fits(library, weigh, dict(zip(names, chosen, strict=True))) for chosen in product(*lists)
    )


def reaches(library: Library, plan, name: str, *, coarse: int = 1) -> bool:
    """Whether a choice for one model, the others as planned, has its context at the floor."""
    weigh, model = scale(library), library.model(name)
    settled = {item.name: item.settings for item in plan.placements}
    return any(
        fits(library, weigh, {**settled, name: one})
        for one in choices(library, model, least(model), coarse=coarse)
    )


def drawn(random: Random) -> str:
    """An llm.toml with open devices that is small enough for brute force."""
    cards = [f"{random.choice(draw.CARDS)}GiB" for _ in range(random.choice((1, 2, 2, 2, 3)))]
    memory = f"{random.choice((8, 16, 32, 64))}GiB"
    text = machine(*cards, memory=memory, reserve=random.choice(('"0"', '"1GiB"')))
    names = [f"m{number}" for number in range(random.choice((1, 2, 2, 3)))]
    if len(names) > 1 and random.random() < 0.5:
        text += '[plan]\ntogether = [["m0", "m1"]]\n'
    for name in names:
        file = random.choice(draw.EXPERTS if random.random() < 0.3 else draw.CHAT)
        text += table(name, file, "\n".join(_options(random, file, len(names))))
    return text


def _options(random: Random, file: str, models: int) -> Iterator[str]:
    yield f"parallel = {random.choice((1, 1, 2))}"
    yield f"ctx_size = {random.choice((MAX, '4096', '16384', '32768'))}"
    kinds = random.choice(('"f16"', '"q8_0"', '["f16", "q8_0", "q4_0"]'))
    yield f"cache_type_k = {kinds}\ncache_type_v = {kinds}"
    if random.random() < 0.8:
        yield 'device = "auto"'
    if random.random() < 0.25 and models == 1:
        yield 'tensor_split = "auto"'
    if file in draw.EXPERTS and random.random() < 0.6 and models < 3:
        yield 'n_cpu_moe = "auto"'
    if random.random() < 0.15 and models == 1:
        yield 'n_gpu_layers = "auto"'
    if random.random() < 0.3:
        yield random.choice(("pin = true", 'keep = "always"', "preload = true"))


MAX = '"max"'


def wrong(text: str) -> str:
    """What brute force says against the plan of an llm.toml; empty when it agrees."""
    made = read(text)
    try:
        plan = planned(text)
    except PlanError as refused:
        told = {item.code for item in refused.diagnostics}
        beyond = told == {"budget.device-full"} and placeable(made, coarse=4)
        return "a placement fits that is refused" if beyond else ""
    for item in plan.placements:
        low = item.model.open.ctx_size and item.settings.ctx_size < least(item.model)
        if low and reaches(made, plan, item.name, coarse=2):
            return f"`{item.name}` could have its context at the floor"
    return ""


def main(count: int, seed: int) -> None:
    found = 0
    for number in range(count):
        text = drawn(Random(seed * 1_000_000 + number))
        said = wrong(text)
        if said:
            found += 1
            print(f"{number}: {said}\n{text}")
        if number % 50 == 49:
            print(f"{number + 1} stacks of seed {seed}: {found} wrong", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
