"""What each model weighs under given settings, measured once for each question."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from llmgen.budget.beside.lending import with_sending
from llmgen.budget.beside.measurements import settings_digest, with_measured
from llmgen.budget.estimate import estimate
from llmgen.budget.memory import Estimate
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.errors import Diagnostic, PlanError
from llmgen.library import Keep, Library, Model
from llmgen.plan.claims import claimed
from llmgen.plan.plan import Footprint, Pool
from llmgen.plan.pools import footprint, pools
from llmgen.plan.rpc import borrowed
from llmgen.plan.stack import Stack

# What a model takes depends on this, whatever it is called: files, settings, copies.
_Key = tuple[Hashable, ...]


class Scale(Struct, frozen=True):
    """Estimates and footprints on one machine; remembers what it has weighed."""

    library: Library
    pools: tuple[Pool, ...]
    models: Mapping[str, Model]
    _estimates: dict[_Key, Estimate] = field(default_factory=dict)
    _footprints: dict[_Key, Footprint] = field(default_factory=dict)

    def estimate(self, model: Model, settings: ServerSettings) -> Estimate:
        """Memory of the model's server; PlanError where the server would refuse to start."""
        key = _key(model, settings)
        if key not in self._estimates:
            self._estimates[key] = self._measure(model, settings)
        return self._estimates[key]

    def footprint(self, model: Model, settings: ServerSettings) -> Footprint:
        """Bytes of the model's process on each pool, and of its copies on this host."""
        key = _key(model, settings)
        if key not in self._footprints:
            one = footprint(
                self.estimate(model, settings),
                settings,
                self.pools,
                # What other engines claim is the whole of their process.
                overhead=self.library.machine.process_overhead_bytes if model.is_llama else 0,
                borrowed=self.library.machine.borrowed,
                margin=self.library.config.budget.margin,
            )
            self._footprints[key] = {name: size * (1 + model.copies) for name, size in one.items()}
        return self._footprints[key]

    def of(self, library: Library) -> Scale:
        """A scale for a changed library that remembers the same measurements."""
        return replace(self, library=library, models={item.name: item for item in library.models})

    def _measure(self, model: Model, settings: ServerSettings) -> Estimate:
        if model.served is not None:
            return claimed(model, model.served, self.library)
        try:
            made = estimate(
                model.facts,
                settings,
                self.library.build,
                mmproj=model.mmproj,
                draft=model.draft,
                adapters=model.adapters,
                backends=self.library.machine.backends,
            )
        except SettingRefused as refused:
            raise PlanError(
                Diagnostic(
                    "models.setting-refused",
                    f"`{model.name}`: {refused.message}",
                    ("models", model.name, refused.key),
                    hint=refused.hint,
                )
            ) from None
        if borrowed(settings, self.library):
            made = with_sending(made, model.all_facts, settings)
        if not model.measured:
            return made
        digest = settings_digest(settings, self.library.build)
        return with_measured(made, model.measured.get(digest, {}))


def _key(model: Model, settings: ServerSettings) -> _Key:
    # What another engine claims is its own table's.
    own = "" if model.served is None else model.name
    adapters = tuple(item.path for item in model.lora)
    beside = model.mmproj_path, model.draft_path, adapters
    return own, model.ref, beside, model.copies, settings


def scale(library: Library) -> Scale:
    """An empty scale for the library's machine."""
    models = {model.name: model for model in library.models}
    config = library.config
    return Scale(library, pools(library.machine, config.gateway, config.apps), models)


def stack(library: Library, footprints: Mapping[str, Footprint], limits: tuple[Pool, ...]) -> Stack:
    """The library as numbers."""
    wishes = library.config.plan
    demand = [item for item in library.models if item.keep is Keep.ON_DEMAND]
    names = frozenset(item.name for item in demand)
    return Stack(
        budgets={pool.name: pool.budget_bytes for pool in limits},
        demand={item.name: footprints[item.name] for item in demand},
        always={
            item.name: footprints[item.name] for item in library.models if item.keep is Keep.ALWAYS
        },
        pinned=frozenset(item.name for item in demand if item.pin),
        together=tuple(frozenset(group) & names for group in wishes.together),
        wished=tuple(frozenset(group) & names for group in wishes.wish_together),
        never=tuple(map(frozenset, wishes.never_together)),
        priority={item.name: item.priority for item in demand},
        load_cost={item.name: load_cost(item, library) for item in demand},
    )


def load_cost(model: Model, library: Library) -> int:
    """Tenths of a second that the disk needs to read the model's files; at least one.

    Of other engines' files nothing is known: no more is read than what they take.
    """
    size = sum(item.size_bytes for item in model.all_facts)
    if model.served is not None:
        size = sum(claimed(model, model.served, library).on(key) for key in library.machine.views)
    return max(1, round(size * 10 / max(1, library.machine.disk_bandwidth_bytes)))
