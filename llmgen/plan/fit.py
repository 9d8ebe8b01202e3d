"""Which contexts, cache types and slots fit a machine, and which machine is large enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.estimate import estimate
from llmgen.budget.server.placement import layer_shares, offloaded
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.config.editions import EDITIONS
from llmgen.config.tables.containers import Apps
from llmgen.config.tables.gateway import Gateway
from llmgen.config.tables.models import GENERATES
from llmgen.engines.roles import Role
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.machine import Machine
from llmgen.plan.choices import blocks
from llmgen.plan.plan import Pool
from llmgen.plan.pools import footprint, pools, total
from llmgen.resolve.role import made_for

# What a server of llmgen's has when llm.toml says nothing.
_EDITION = EDITIONS[max(EDITIONS)]
# The shortest context that is tried.
LEAST = 4096


class Candidate(Struct, frozen=True):
    """A model to fit, and what it would do: what embeds needs a whole input in one batch."""

    facts: GgufFacts
    role: Role


def candidate(facts: GgufFacts) -> Candidate:
    """The model in the role that its header tells."""
    return Candidate(facts, made_for(facts))


class FitCell(Struct, frozen=True):
    """All given models at once under one choice: what is free on the pool that is fullest.

    Negative bytes are missing. ``refused`` says why a server would not start.
    """

    ctx_size: int
    cache_type: str
    parallel: int
    pool: str = ""
    free_bytes: int = 0
    refused: str = ""

    @property
    def fits(self) -> bool:
        """Whether nothing is missing."""
        return not self.refused and self.free_bytes >= 0


class FitQuestion(Struct, frozen=True):
    """One cell's question: ``ctx_size`` is what each slot gets."""

    ctx_size: int
    cache_type: str
    parallel: int

    def settings(self, devices: tuple[str, ...], role: Role) -> ServerSettings:
        """The server's options for it."""
        usual = _EDITION.options(role)
        embedding = role not in GENERATES
        ubatch = max(usual["ubatch_size"], self.ctx_size if embedding else 0)
        return ServerSettings(
            ctx_size=self.ctx_size * self.parallel,
            parallel=self.parallel,
            kv_unified=False,
            batch_size=max(usual["batch_size"], ubatch),
            ubatch_size=ubatch,
            cache_type_k=self.cache_type,
            cache_type_v=self.cache_type,
            devices=devices,
            embedding=embedding,
            pooling="rank" if role == "rerank" else "",
            cache_ram_bytes=usual["cache_ram"],
            ctx_checkpoints=usual["ctx_checkpoints"],
        )


def fit(
    models: Sequence[Candidate],
    machine: Machine,
    choices: Iterable[FitQuestion],
    build: int,
) -> Iterator[FitCell]:
    """A cell for each choice."""
    limits = pools(machine, Gateway(), Apps())
    for choice in choices:
        yield _cell(models, machine, limits, choice, build)


def grid(
    contexts: Sequence[int], cache_types: Sequence[str], slots: Sequence[int]
) -> Iterator[FitQuestion]:
    """Every combination, contexts slowest."""
    return (FitQuestion(*values) for values in product(contexts, cache_types, slots))


def longest(facts: GgufFacts, machine: Machine, cache_type: str, build: int, most: int) -> int:
    """The longest context of one slot that fits, doubled from 4K up to ``most``; 0 if none does."""
    found, size = 0, LEAST
    while size <= most:
        (cell,) = fit([candidate(facts)], machine, [FitQuestion(size, cache_type, 1)], build)
        if not cell.fits:
            break
        found, size = size, size * 2
    return found


def smallest(
    models: Sequence[Candidate], machines: Iterable[Machine], choice: FitQuestion, build: int
) -> Machine | None:
    """The machine with least memory on which all the models fit at once."""
    for machine in sorted(machines, key=lambda item: (size(item), item.profile)):
        (cell,) = fit(models, machine, [choice], build)
        if cell.fits:
            return machine
    return None


def size(machine: Machine) -> int:
    """Memory for models: the devices', or the shared or the host's where there are none."""
    if machine.unified or not machine.devices:
        return machine.memory_bytes
    return sum(device.memory_bytes for device in machine.devices)


def _cell(
    models: Sequence[Candidate],
    machine: Machine,
    limits: tuple[Pool, ...],
    choice: FitQuestion,
    build: int,
) -> FitCell:
    names = tuple(pool.name for pool in limits)
    budgets = {pool.name: pool.budget_bytes for pool in limits}
    sums = dict.fromkeys(names, 0)
    try:
        for model in sorted(models, key=lambda item: -item.facts.size_bytes):
            taken = min(
                _ways(model, machine, limits, choice, build),
                key=lambda way: _missing(total((sums, way), names), budgets),
            )
            sums = total((sums, taken), names)
    except SettingRefused as refused:
        return FitCell(choice.ctx_size, choice.cache_type, choice.parallel, refused=refused.message)
    worst = min(names, key=lambda name: (budgets[name] - sums[name]) / max(1, budgets[name]))
    free = budgets[worst] - sums[worst]
    return FitCell(choice.ctx_size, choice.cache_type, choice.parallel, worst, free)


def _missing(sums: dict[str, int], budgets: dict[str, int]) -> tuple[int, int]:
    """Sort key of a placement: no bytes missing first, then the emptiest fullest pool."""
    left = [budget - sums[name] for name, budget in budgets.items()]
    return -sum(min(0, item) for item in left), -min(left)


def _ways(
    model: Candidate, machine: Machine, limits: tuple[Pool, ...], choice: FitQuestion, build: int
) -> Iterator[dict[str, int]]:
    """Footprints of a model on each device, on all of them, or on the host without any."""
    keys = tuple(device.key for device in machine.devices)
    homes = [(key,) for key in keys] + ([keys] if len(keys) != 1 else [])
    for devices in homes:
        settings = choice.settings(devices, model.role)
        if len(devices) > 1:
            room = [pool.budget_bytes for name in devices for pool in limits if pool.name == name]
            shares = layer_shares(offloaded(blocks(model.facts), settings.n_gpu_layers), room)
            settings = replace(settings, tensor_split=tuple(map(float, shares)))
        made = estimate(model.facts, settings, build, backends=machine.backends)
        yield footprint(made, settings, limits, overhead=machine.process_overhead_bytes)
