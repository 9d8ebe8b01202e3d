"""What each model takes, part by part, and how each number came about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmgen.budget.memory import HOST
from llmgen.facts.card import card, in_words
from llmgen.library import Keep
from llmgen.plan.basis import basis_of
from llmgen.plan.comparison import devices
from llmgen.plan.plan import Placement, Plan, Pool
from llmgen.plan.scale import load_cost
from llmgen.plan.stack import Stack
from llmgen.report.report import KeepWord, MemoryPart, ModelFacts


def models(plan: Plan, stack: Stack) -> Iterator[ModelFacts]:
    """Every model, in llm.toml's order."""
    return (_model(item, plan, stack) for item in plan.placements)


def _model(item: Placement, plan: Plan, stack: Stack) -> ModelFacts:
    model, estimate, settings = item.model, item.estimate, item.settings
    run = plan.library.runs.get(item.name)
    return ModelFacts(
        name=item.name,
        title=model.title,
        card=tuple(_card(item)),
        role=", ".join(model.serves),
        host=item.host,
        engine=model.engine.name,
        keep=keep_word(item),
        exact=estimate.exact,
        basis={one.device: basis_of(estimate, one.device).value for one in estimate.memory},
        devices=settings.devices,
        n_ctx=estimate.n_ctx,
        n_ctx_seq=estimate.n_ctx_seq,
        parallel=settings.parallel,
        cache_type_k=settings.cache_type_k if model.is_llama else "",
        cache_type_v=settings.cache_type_v if model.is_llama else "",
        servers=1 + model.copies,
        footprint=dict(item.footprint),
        parts={
            pool.name: found
            for pool in plan.pools
            if (found := parts(item, pool, margin=plan.library.config.budget.margin))
        },
        left=_left(item, stack),
        origins=tuple(estimate.parts),
        load_seconds=load_cost(model, plan.library) / 10,
        size_bytes=sum(facts.size_bytes for facts in model.all_facts),
        reasons=item.reasons,
        measured=tuple(devices(item, run, plan.library)) if run is not None else (),
    )


def keep_word(item: Placement) -> KeepWord:
    """When the model is in memory, in the words of llm.toml."""
    if item.keep is Keep.ALWAYS:
        return "always"
    return "pinned" if item.model.pin else "on demand"


def parts(item: Placement, pool: Pool, *, margin: bool) -> Mapping[MemoryPart, int]:
    """A footprint on one pool as its parts, all servers of the model together; none is 0.

    What is left beside llama.cpp's buffers, host caches and the margin is the backend's own: its
    context, its workspace and its temporaries.
    """
    estimate, servers = item.estimate, 1 + item.model.copies
    whole = item.footprint.get(pool.name, 0)
    memory = [one for one in estimate.memory if one.device in pool.views]
    if not item.model.is_llama:
        return {"claimed": whole} if whole else {}
    found: dict[MemoryPart, int] = {
        "weights": sum(one.model for one in memory),
        "context": sum(one.context for one in memory),
        "compute": sum(one.compute for one in memory),
        "caches": estimate.host.total if HOST in pool.views else 0,
        "margin": sum(estimate.margin.get(view, 0) for view in pool.views) if margin else 0,
    }
    found = {part: size * servers for part, size in found.items()}
    found["overhead"] = whole - sum(found.values())
    return {part: size for part, size in found.items() if size}


def _left(item: Placement, stack: Stack) -> Mapping[str, int]:
    """What each pool has left with this model alone beside what is always there."""
    beside = stack.pinned | ({item.name} & stack.demand.keys())
    return {pool: stack.budgets[pool] - used for pool, used in stack.sums(beside).items()}


def _card(item: Placement) -> Iterator[str]:
    model = item.model
    if model.description:
        yield model.description
    yield from in_words(card(model.facts), embeds=model.role == "embedding", scores=model.scores)
    yield from model.notes
