"""llama-swap's config.yaml: every on-demand model, and which of them may meet in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from llmgen.artifacts import Artifact, Render
from llmgen.config.tables.base import Secret
from llmgen.config.tables.services import Services
from llmgen.engines.command import PORT, macros
from llmgen.engines.loaders import LLAMA_SWAP, loader_of
from llmgen.errors import Diagnostic, PlanError
from llmgen.gateway.addresses import LOOPBACK
from llmgen.library import Keep, Library, Model
from llmgen.options import spelled
from llmgen.plan.plan import Groups, Matrix, Placement, Plan
from llmgen.plan.process import health, reached, upstream
from llmgen.targets.secrets import plain, secret, variable
from llmgen.targets.swap_peers import peers, selectors
from llmgen.targets.swap_sleepers import beside, entries, patience

NAME = "llama-swap"
SUMMARY = "model-swapping proxy: config.yaml with the sets that fit"

# The first version that knows a key; without it, leaving the key out is harmless.
SINCE: Final = {"routing": 225, "capabilities": 225, "unload_timeout": 240}

# One request waits for a slot beside each that is served, and never fewer than llama-swap's 10.
_REQUESTS_PER_SLOT, _LEAST_REQUESTS = 4, 10
# A cold disk can be this much slower than the profile says; the least is llama-swap's default.
_SLOWER, _LEAST_SECONDS, _STEP = 4, 120, 30
# What each role takes and gives, in llama-swap's words.
_TEXT: Final = frozenset({"chat", "vision", "completion", "embedding", "rerank"})
_TAKES: Final = {
    "text": _TEXT | {"speech", "image"},
    "image": frozenset({"vision"}),
    "audio": frozenset({"transcription"}),
}
_GIVES: Final = {
    "text": _TEXT | {"transcription"},
    "image": frozenset({"image"}),
    "audio": frozenset({"speech"}),
}
# Macros that llama-swap knows by itself.
_OWN_MACROS: Final = frozenset({"PORT", "MODEL_ID", "PID"})
# What llama-swap would take for a macro; there is no way to escape it.
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z0-9_.-]+\}")


def in_use(plan: Plan) -> bool:
    """Whether llama-swap loads models."""
    services = plan.library.config.services
    # In containers its file lies beside theirs.
    if services.runtime != "native":
        return False
    return plan.loader is LLAMA_SWAP


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """One config.yaml when there is anything for it to do, or any on-demand model to look at."""
    models = [item for item in plan.placements if item.keep is Keep.ON_DEMAND]
    if not models and plan.loader is not LLAMA_SWAP:
        return
    library, services = plan.library, plan.library.config.services
    table = services.llama_swap
    engine = beside(plan.engines.get(library.machine.host), library)
    enabled = loader_of(services) is LLAMA_SWAP
    refused = [*_placeholders(models), *_keys(services), *_selectors(plan, models)]
    if refused and enabled:
        raise PlanError(refused)
    if refused:
        return
    known = {name for name, since in SINCE.items() if library.swap_version >= since}
    yield Artifact(
        path=PurePosixPath(NAME, "config.yaml"),
        content=render(
            "llama-swap/config.yaml.j2",
            table=table,
            known=known,
            health_check_timeout=max(
                table.health_check_timeout or load_seconds(library, models), patience(library)
            ),
            api_keys=[f"${{env.{variable(key)}}}" for key in table.api_keys],
            models=[*(_model(item, library) for item in models), *entries(library)],
            extra=_extra(library),
            matrix=engine if isinstance(engine, Matrix) and engine.sets else None,
            groups=engine.groups if isinstance(engine, Groups) else (),
            priorities={item.name: item.model.priority for item in models if item.model.priority},
            preload=[item.name for item in models if item.model.preload],
            peers=[*peers(plan)],
        ),
        target=NAME,
        install=library.layout.config / NAME / "config.yaml" if enabled else None,
    )


def load_seconds(library: Library, models: Iterable[Placement]) -> int:
    """Longest load to wait for: files by the disk's speed, far devices by the network's."""
    models = [*models]
    seconds = max((_load_seconds(item, library) for item in models), default=0)
    least = max((item.model.engine.start_seconds for item in models), default=0)
    return max(_LEAST_SECONDS, least, -(-seconds // _STEP) * _STEP)


def _load_seconds(item: Placement, library: Library) -> int:
    speed = library.machine.disk_bandwidth_bytes
    read = _SLOWER * file_bytes(item.model) // speed if speed else 0
    far = {device.key for device in library.machine.borrowed}
    sent = sum(part.model for part in item.estimate.memory if part.device in far)
    return read + _SLOWER * sent // library.config.network.bandwidth


def file_bytes(model: Model) -> int:
    """Bytes that a load of this model reads."""
    return sum(item.size_bytes for item in model.all_facts)


def admitted(model: Model) -> int:
    """Requests that llama-swap lets in at a time, waiting ones included."""
    waiting = _REQUESTS_PER_SLOT * max(1, model.settings.parallel)
    return model.concurrency_limit or max(_LEAST_REQUESTS, waiting)


def _model(item: Placement, library: Library) -> dict[str, object]:
    services = library.config.services
    model, more = item.model, dict(item.model.llama_swap)
    filters = dict(more.pop("filters", {}))
    return {
        "id": model.name,
        "title": model.title if model.title != model.name else "",
        "description": model.description,
        "command": [*_lines(_argv(item))],
        "command_stop": () if "cmdStop" in more else item.stop,
        "proxy": reached(model, item.port),
        "upstream": more.pop("useModelName", upstream(model)),
        "aliases": (*model.aliases, *library.spellings((model.name, *model.aliases))),
        "env": [*_environment(model, services.api_key)],
        "ttl": model.ttl_seconds,
        "unlisted": model.unlisted,
        "concurrency_limit": admitted(model),
        "set_params_by_id": {**filters.pop("setParamsByID", {}), **_variants(model, library)},
        "filters": filters,
        "capabilities": _capabilities(item) | more.pop("capabilities", {}),
        "check_endpoint": more.pop("checkEndpoint", health(model)),
        "unload_timeout": more.pop("unloadTimeout", services.llama_swap.unload_timeout),
        "more": more,
    }


def _argv(item: Placement) -> tuple[str, ...]:
    """The command; llama-server's own is told where to listen here."""
    if not item.model.is_plain or item.port:
        return item.argv
    return (*item.argv, "--host", LOOPBACK, "--port", PORT)


def _lines(argv: Iterable[str]) -> Iterator[list[str]]:
    """The words of a command, each option with its values on one line."""
    line: list[str] = []
    for word in argv:
        if spelled(word) and line:
            yield line
            line = []
        line.append(word)
    yield line


def _environment(model: Model, api_key: Secret | None) -> Iterator[str]:
    if api_key is not None and model.engine.key_variable:
        yield f"{model.engine.key_variable}=${{env.{variable(api_key)}}}"
    for name, value in plain(model.environment):
        yield f"{name}={value}"
    for name, item in secret(model.environment):
        yield f"{name}=${{env.{variable(item)}}}"


def _variants(model: Model, library: Library) -> dict[str, Mapping[str, object]]:
    named = {key: (key, *variant.aliases) for key, variant in model.variants.items()}
    return {
        name: model.variants[key].params
        for key, names in named.items()
        for name in (*names, *library.spellings(names))
    }


def _capabilities(item: Placement) -> dict[str, object]:
    model = item.model
    found: dict[str, object] = {
        "in": [kind for kind, roles in _TAKES.items() if roles & {*model.serves}],
        "out": [kind for kind, roles in _GIVES.items() if roles & {*model.serves}],
    }
    if model.is_llama:
        found["in"] = ["text", "image"] if model.mmproj is not None else ["text"]
    if item.estimate.n_ctx_seq or model.is_llama:
        found["context"] = item.estimate.n_ctx_seq
    if model.calls_tools:
        found["tools"] = True
    if "rerank" in model.serves:
        found["reranker"] = True
    return found


def _extra(library: Library) -> dict[str, object]:
    """Keys that pass through; selectors also lead to names of other servers' models."""
    found, own = dict(library.config.targets.llama_swap.extra), selectors(library)
    # A selector does not lead to another one.
    wished = {
        name: {
            **table,
            "targets": [
                own[item]["targets"][0] if item in own else item for item in table["targets"]
            ],
        }
        for name, table in found.get("selectors", {}).items()
    }
    if own or wished:
        found["selectors"] = {**wished, **own}
    return found


def _placeholders(models: Iterable[Placement]) -> Iterator[Diagnostic]:
    for item in models:
        for text in _texts(item):
            if match := _PLACEHOLDER.search(text):
                yield Diagnostic(
                    "swap.placeholder",
                    f"`{match[0]}` in `{item.name}` is a macro to llama-swap, which has no escape",
                    ("models", item.name),
                    hint="write it without `${`",
                )
        for key, words in (("cmd", item.argv), ("cmd_stop", item.stop)):
            for macro in () if item.model.is_plain else dict.fromkeys(macros(words)):
                if macro in _OWN_MACROS or macro.startswith("env."):
                    continue
                yield Diagnostic(
                    "swap.macro",
                    f"`${{{macro}}}` in `{item.name}` is no macro that llama-swap knows",
                    ("models", item.name, key),
                    hint="it knows `${PORT}`, `${MODEL_ID}`, `${PID}`, `${env.NAME}`; write it out",
                )


def _keys(services: Services) -> Iterator[Diagnostic]:
    # llama-swap hands a client's key on to the server, so the two have to be the same.
    if services.api_key and any(key != services.api_key for key in services.llama_swap.api_keys):
        yield Diagnostic(
            "swap.two-keys",
            "a client of llama-swap would need its own key and `api_key` of [services] at once",
            ("services", "llama_swap", "api_keys"),
            hint="leave `api_key` out of [services]: the servers listen on loopback alone",
        )


def _selectors(plan: Plan, models: Iterable[Placement]) -> Iterator[Diagnostic]:
    """What llama-swap asks of the targets of its selectors (v250, internal/config/selectors.go)."""
    config = plan.library.config
    local = {other: item.name for item in models for other in item.model.names}
    for name, table in config.targets.llama_swap.extra.get("selectors", {}).items():
        key = ("targets", "llama_swap", "extra", "selectors", name, "targets")
        strategy, targets = table["strategy"], table["targets"]
        inside = {local[item] for item in targets if item in local}
        far = [item for item in targets if item not in local]
        if strategy == "warm" and far:
            yield Diagnostic(
                "swap.selector",
                f"the selector `{name}` is warm, and llama-swap does not load `{far[0]}`",
                key,
                hint='`strategy = "pin"`, or models that are on demand alone',
            )
        if strategy == "spillover" and len(inside) > 1 and not _meet(plan, inside):
            named = " and ".join(f"`{item}`" for item in sorted(inside))
            yield Diagnostic(
                "swap.selector",
                f"the selector `{name}` spills over, and {named} do not fit together",
                key,
                hint='`strategy = "warm"`, or `together` in [plan] to see what has to give way',
            )


def _meet(plan: Plan, names: set[str]) -> bool:
    engine = plan.engines.get(plan.library.machine.host)
    # What a diagram stands for is not listed: llama-swap itself is asked then.
    listed = isinstance(engine, Groups) or (isinstance(engine, Matrix) and engine.listed)
    return not listed or any(names <= {*state.models} for state in plan.states)


def _texts(item: Placement) -> Iterator[str]:
    model = item.model
    yield from (model.title, model.description)
    yield from item.argv if model.is_plain else ()
    yield from (value for _, value in plain(model.environment))
    yield from (repr(variant.params) for variant in model.variants.values())
