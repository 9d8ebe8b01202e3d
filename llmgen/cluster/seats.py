"""Which pool serves a model: the one that it names, else the first that has room for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from llmgen.budget.memory import HOST
from llmgen.cluster.cluster import NodePool, Planned
from llmgen.cluster.fitting import possibly
from llmgen.cluster.nodes import Amount, Nodes, Pod
from llmgen.cluster.pool_numbers import pool_of
from llmgen.config.config import Config
from llmgen.config.tables.models import ModelTable
from llmgen.errors import Diagnostic, LlmgenError, PlanError
from llmgen.library import Keep
from llmgen.plan.slack import PROCESS_SLACK, SWAP_SLACK, TMPFS_BYTES

# A model in a pod of its own, on a pool.
Alone: TypeAlias = Callable[[str, str], Planned]


class Seats:
    """The pools with what has been seated on them, in the order of priority."""

    def __init__(
        self,
        config: Config,
        models: Mapping[str, Mapping[str, ModelTable]],
        nodes: Mapping[str, NodePool],
        alone: Alone,
    ) -> None:
        """``models`` are the tables of models on each pool.

        ``alone`` plans one; PlanError where it fits no node.
        """
        self.config, self.models, self.nodes, self.alone = config, models, nodes, alone
        self.pods: dict[str, dict[str, Pod]] = {name: {} for name in nodes}
        self.pool: dict[str, str] = {}
        self.reasons: dict[str, str] = {}

    def seat(self, name: str) -> None:
        """Find the pool of a model; PlanError where it fits no node of any.

        Where the same is wrong with it on each pool (ConfigError), no node matters.
        """
        told = self.config.models[name].pool
        if told is not None:
            self._take(name, told, self._pods(name, told))
            return
        errors: list[LlmgenError] = []
        fits: dict[str, dict[str, Pod]] = {}
        for pool in self.nodes:
            try:
                fits[pool] = self._pods(name, pool)
            except LlmgenError as error:
                errors.append(error)
                continue
            if self._has_room(pool, fits[pool]):
                break
        if not fits:
            raise _all_of(errors)
        roomy = [pool for pool, pods in fits.items() if self._has_room(pool, pods)]
        pool = roomy[0] if roomy else next(iter(fits))
        if len(self.nodes) > 1:
            self.reasons[name] = "; ".join(self._why(name, pool, fits))
        self._take(name, pool, fits[pool])

    def _take(self, name: str, pool: str, pods: dict[str, Pod]) -> None:
        self.pool[name] = pool
        self.pods[pool] = pods

    def _pods(self, name: str, pool: str) -> dict[str, Pod]:
        """The pool's pods with this model among them."""
        found, made = {**self.pods[pool]}, self.alone(pool, name)
        first = made.plan.placements[0]
        unified = made.plan.library.machine.unified
        views = (HOST, *made.plan.library.machine.views[1:]) if unified else (HOST,)
        memory = sum(first.estimate.on(view) for view in dict.fromkeys(views))
        if first.keep is Keep.ALWAYS and self.nodes[pool].table.layout == "models":
            asked = Amount(made.devices, memory + PROCESS_SLACK + TMPFS_BYTES)
            table = self.models[pool][name]
            found[name] = Pod(name, asked, copies=table.hosts * table.nodes)
            return found
        # One pod for all of these: as large as the largest, until their plan says more.
        asked = Amount(made.devices, memory + PROCESS_SLACK + SWAP_SLACK + TMPFS_BYTES)
        before = found.get("", Pod("", Amount())).request
        largest = Amount(
            max(before.devices, asked.devices), max(before.memory_bytes, asked.memory_bytes)
        )
        found[""] = Pod("", largest)
        return found

    def _has_room(self, pool: str, pods: Mapping[str, Pod]) -> bool:
        nodes = self.nodes[pool]
        node = nodes.node
        room = Amount(len(node.devices), max(0, node.memory_bytes - node.reserve_bytes))
        every = tuple(replace(pod, name=name or "on demand") for name, pod in pods.items())
        return possibly(pool_of(Nodes(pool, nodes.table.count, room), every)) == "yes"

    def _why(self, name: str, pool: str, fits: Mapping[str, Mapping[str, Pod]]) -> Iterator[str]:
        yield f"{name} on {pool}: the first pool with room for it"
        for other in self.nodes:
            if other == pool:
                return
            if other in fits:
                yield f"{other} has none beside what is there"
            else:
                yield f"it fits no node of {other}"


def _all_of(errors: Sequence[LlmgenError]) -> LlmgenError:
    """Everything that pools say against a model: of one kind where all are, else no room."""
    kinds = {type(error) for error in errors}
    told: list[Diagnostic] = [item for error in errors for item in error.diagnostics]
    return (kinds.pop() if len(kinds) == 1 else PlanError)(told)
