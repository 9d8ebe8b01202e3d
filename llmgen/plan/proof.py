"""The proof: what the plan promises, as a document that can be checked without llmgen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from llmgen.plan.basis import declared
from llmgen.plan.plan import Groups, Matrix, OnDemandRules, Placement, Plan, Pool, Router

# Version of this document, and of the rules that the footprints were computed with.
FORMAT = 1
FORMULA = 1
NOTHING: Final[Mapping[str, object]] = {}


def proof_document(plan: Plan) -> dict[str, Any]:
    """Pools, footprints, engines and every worst state with its sums, all in bytes."""
    return {
        "format": FORMAT,
        "formula": FORMULA,
        "llama_cpp_build": plan.library.build,
        "override": plan.excused,
        "pools": [_pool(item) for item in plan.pools],
        "models": {item.name: _model(item) for item in plan.placements},
        "engines": {host: _engine(engine) for host, engine in plan.engines.items()},
        "states": [
            {"models": list(item.models), "bytes": dict(item.peaks)} for item in plan.states
        ],
        **(
            {"declared": {k: list(v) for k, v in found.items()}}
            if (found := declared(plan))
            else {}
        ),
        "peaks": [
            {
                "pool": item.pool.name,
                "bytes": item.peak_bytes,
                "free_bytes": item.free_bytes,
                "models": list(item.state),
            }
            for item in plan.headroom
        ],
    }


def proof(plan: Plan, more: Mapping[str, object] = NOTHING) -> bytes:
    """The document as the bytes of plan.json; ``more`` is what the way to run it adds."""
    text = json.dumps({**proof_document(plan), **more}, indent=2, ensure_ascii=False)
    return (text + "\n").encode()


def digest(plan: Plan) -> str:
    """SHA-256 of the proof, as hex: the plan's name in the ledger and beside measurements."""
    return hashlib.sha256(proof(plan)).hexdigest()


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "host": pool.host,
        "name": pool.name,
        "views": list(pool.views),
        "capacity_bytes": pool.capacity_bytes,
        "reserve_bytes": pool.reserve_bytes,
    }


def _model(item: Placement) -> dict[str, Any]:
    return {
        "host": item.host,
        "keep": item.keep.value,
        "pinned": item.model.pin,
        "exact": item.estimate.exact,
        "devices": list(item.settings.devices),
        "ctx_size": item.settings.ctx_size,
        "parallel": item.settings.parallel,
        "bytes": dict(item.footprint),
        **_basis(item),
    }


def _basis(item: Placement) -> dict[str, Any]:
    """Where the bytes are from, unless all of them are computed."""
    if not item.estimate.basis:
        return {}
    return {
        "engine": item.model.engine.name,
        "basis": {device: basis.value for device, basis in item.estimate.basis.items()},
    }


def _engine(engine: OnDemandRules) -> dict[str, Any] | None:
    match engine:
        case Matrix():
            return {
                "kind": "matrix",
                "complete": engine.complete,
                "variables": dict(engine.variables),
                "sets": dict(engine.sets),
                "evict_costs": dict(engine.evict_costs),
            }
        case Groups():
            return {
                "kind": "groups",
                "complete": engine.complete,
                "groups": [
                    {"name": item.name, "swap": item.swap, "members": list(item.members)}
                    for item in engine.groups
                ],
            }
        case Router():
            return {"kind": "router", "models_max": engine.models_max}
        case None:
            return None
