"""LiteLLM's proxy as another front: one row for each model, aliases apart, keys by reference."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from llmgen.artifacts import Artifact, Render
from llmgen.config.tables.gateway import External, LiteLLMCache
from llmgen.errors import ConfigError, Diagnostic
from llmgen.gateway.addresses import in_url
from llmgen.gateway.backends import ModelBackend, backends
from llmgen.gateway.remotes import HOP
from llmgen.gateway.secrets import (
    MANIFEST,
    Manifest,
    PlaceholderFile,
    absolute,
    backend_secrets,
    placeholder,
)
from llmgen.plan.plan import Plan
from llmgen.targets.litellm_settings import GENERAL, ROUTER, SETTINGS, listed, settings

NAME = "litellm"
SUMMARY = "LiteLLM proxy: model rows, aliases, fallbacks, keys by reference"

MASTER = "LITELLM_MASTER_KEY"
# LiteLLM refuses to call a server without a key; llama-server without one ignores it.
NO_KEY = "none"
# LiteLLM's word for each role: which request its health check sends.
MODES = {
    "chat": "chat",
    "vision": "chat",
    "completion": "completion",
    "embedding": "embedding",
    "rerank": "rerank",
    "transcription": "audio_transcription",
    "speech": "audio_speech",
    "image": "image_generation",
}
TEXT = ("chat", "vision", "completion")
# LiteLLM's words for what its proxy does for each kind of request.
_CALLS = {
    "completion": ("acompletion", "atext_completion"),
    "embedding": ("aembedding",),
    "rerank": ("arerank",),
}
# Requests of a model that LiteLLM lets through for each of its slots.
WAITING = 4
_WINDOWS = "context_window_fallbacks"
# Tells Envoy there that it is asked by a gateway, and not to ask back.
_ASKED: Final = {"extra_headers": {HOP: "1"}}


class ModelListEntry(Struct, frozen=True):
    """One entry of model_list: a name, a server, what it can do."""

    name: str
    model: str
    api_base: str
    api_key: str
    parallel: int
    text: bool
    info: dict[str, Any]
    timeout: float
    stream_timeout: float
    extra_body: dict[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def in_use(plan: Plan) -> bool:
    """Whether LiteLLM is enabled; in containers its files lie beside theirs."""
    config = plan.library.config
    return config.gateway.litellm.enable and config.services.runtime == "native"


def artifacts(plan: Plan, render: Render) -> Iterator[Artifact]:
    """config.yaml, and what ``llmgen keys`` makes the environment of."""
    found, config = backends(plan), plan.library.config
    table = config.gateway.litellm
    secrets = _secrets(plan, found)
    router = table.extra.get(ROUTER, {})
    windows = [*_fallbacks(plan, "context_window_fallbacks"), *listed(router.get(_WINDOWS, []))]
    chosen = settings(
        table.extra,
        {
            "enable_pre_call_checks": bool(windows),
            "timeout": table.request_timeout,
            "stream_timeout": table.request_timeout,
        },
    )
    aliases = {alias: name for item in found for alias, name in _aliases(item)}
    prometheus = ["prometheus"] if table.prometheus else []
    content = render(
        "litellm/config.yaml.j2",
        rows=[
            row
            for item in found
            for row in rows(item, plan.library.external, table.request_timeout)
        ],
        more_rows=table.extra.get("model_list", []),
        timeout=table.request_timeout,
        aliases={**router.get("model_group_alias", {}), **aliases},
        fallbacks=[*_fallbacks(plan, "fallbacks"), *listed(router.get("fallbacks", []))],
        context_window_fallbacks=windows,
        router=chosen.own[ROUTER],
        settings=chosen.own[SETTINGS],
        general=chosen.own[GENERAL],
        more={**chosen.more, SETTINGS: {**_cache(table.cache), **chosen.more[SETTINGS]}},
        sections=chosen.sections,
        callbacks=[*prometheus, *listed(table.extra.get(SETTINGS, {}).get("callbacks", []))],
        max_budget=table.max_budget,
        master_key=f"os.environ/{MASTER}" if table.master_key else None,
    )
    variables = [(variable(name), placeholder(name)) for name in secrets]
    manifest = Manifest(
        into=plan.library.host.runtime / NAME,
        files=(PlaceholderFile("keys.env", "env"),),
        secrets={name: absolute(item, plan.library.host) for name, item in secrets.items()},
        owner=plan.library.owner,
    )
    for name, data in (
        ("config.yaml", content),
        ("keys.env", render("litellm/keys.env.j2", variables=variables)),
        (MANIFEST, manifest.content()),
    ):
        path = PurePosixPath(NAME, name)
        install = plan.library.layout.config / path if table.enable else None
        yield Artifact(path, data, NAME, install=install)


def _cache(table: LiteLLMCache | None) -> dict[str, Any]:
    """The settings of a cache in LiteLLM's own memory."""
    if table is None:
        return {}
    calls = [call for kind in table.calls for call in _CALLS[kind]]
    params = {"type": "local", "ttl": table.ttl, "supported_call_types": calls}
    return {"cache": True, "cache_params": params}


def rows(
    backend: ModelBackend, external: Mapping[str, External], timeout: int
) -> Iterator[ModelListEntry]:
    """One row for each server of a model, and for each variant."""
    own = (
        *_rows(backend, backend.model, backend.upstream or backend.model, None, timeout),
        *_spares(backend, backend.model, timeout),
    )
    passed = external[backend.model].litellm if backend.engine == "external" else {}
    yield from (_passed(row, passed) for row in own)
    swap = backend.engine == "llama_swap"
    for variant in backend.variants:
        # llama-swap knows the variant; every other server is told its parameters.
        params = None if swap else json.loads("{" + variant.params + "}")
        yield from _rows(
            backend, variant.names[0], variant.names[0] if swap else backend.model, params, timeout
        )
        yield from _spares(backend, variant.names[0], timeout)


def _passed(row: ModelListEntry, passed: Mapping[str, Any]) -> ModelListEntry:
    """The row with what passes through to it, in the place of what it says itself."""
    more = dict(passed)
    told = {field: more.pop(key) for key, field in _FIELDS.items() if key in more}
    info = {**row.info, **more.pop("model_info", {})}
    return replace(row, info=info, more={**row.more, **more}, **told)


_FIELDS = {
    "extra_body": "extra_body",
    "max_parallel_requests": "parallel",
    "stream_timeout": "stream_timeout",
    "timeout": "timeout",
    "use_chat_completions_api": "text",
}


def variable(name: str) -> str:
    """The environment variable of a secret."""
    if name == "master":
        return MASTER
    return "LLM_KEY_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def _rows(
    backend: ModelBackend, name: str, upstream: str, extra_body: dict[str, Any] | None, timeout: int
) -> Iterator[ModelListEntry]:
    provider, below = _provider(backend)
    more = {"order": 1} if backend.failover else {}
    for endpoint in backend.endpoints:
        server = ModelListEntry(
            name=name,
            model=f"{provider}/{upstream}",
            api_base=f"{_scheme(backend.tls)}://{in_url(endpoint.host)}:{endpoint.port}{below}",
            api_key=_key(backend.secret),
            more={**more, **(_ASKED if backend.told else {})},
            **_alike(backend, timeout),
        )
        yield replace(server, extra_body=extra_body)


def _spares(backend: ModelBackend, name: str, timeout: int) -> Iterator[ModelListEntry]:
    """The servers elsewhere, tried in order after the own ones; they know the name themselves."""
    provider = "hosted_vllm" if backend.role == "rerank" else "openai"
    external = backend.engine == "external" and backend.upstream
    for order, item in enumerate(backend.spares, start=2):
        yield ModelListEntry(
            name=name,
            model=f"{provider}/{external or name}",
            api_base=f"{_scheme(item.tls)}://{item.authority}{item.prefix}/v1",
            api_key=_key(item.key if item.secret else ""),
            more={"order": order, **_ASKED},
            **_alike(backend, timeout),
        )


def _alike(backend: ModelBackend, timeout: int) -> dict[str, Any]:
    """What the rows of all servers of a model have in common."""
    return {
        "parallel": backend.slots * WAITING,
        "text": backend.role in TEXT,
        "info": _info(backend),
        "timeout": timeout,
        "stream_timeout": timeout,
    }


def _scheme(tls: bool) -> str:
    return "https" if tls else "http"


def _key(secret: str) -> str:
    return f"os.environ/{variable(secret)}" if secret else NO_KEY


def _provider(backend: ModelBackend) -> tuple[str, str]:
    """LiteLLM's word for the server's way of asking, and where that begins."""
    if backend.role != "rerank":
        return "openai", f"{backend.prefix}/v1"
    if own := backend.moved.get("rerank"):
        # It writes `documents` as text-embeddings-inference's `texts`, and the answer back.
        under = f"/upstream/{backend.model}" if backend.engine == "llama_swap" else backend.prefix
        return "huggingface", under + own
    # The openai provider has no rerank (BerriAI/litellm#13793).
    return "hosted_vllm", f"{backend.prefix}/v1"


def _info(backend: ModelBackend) -> dict[str, Any]:
    info: dict[str, Any] = {"mode": MODES[backend.role]}
    if backend.context:
        info |= {"max_input_tokens": backend.context, "max_tokens": backend.context}
    info |= {"input_cost_per_token": 0, "output_cost_per_token": 0}
    if backend.role in TEXT:
        info |= {"supports_function_calling": backend.tools, "supports_response_schema": True}
        info |= {"supports_vision": True} if backend.pictures else {}
    return info


def _aliases(backend: ModelBackend) -> Iterator[tuple[str, str | dict[str, object]]]:
    for alias in backend.aliases:
        yield alias, backend.model
    for spelling in backend.spellings:
        yield spelling, {"model": backend.model, "hidden": True}
    for variant in backend.variants:
        for alias in variant.names[1:]:
            yield alias, variant.names[0]
        for spelling in variant.spellings:
            yield spelling, {"model": variant.names[0], "hidden": True}


def _secrets(plan: Plan, found: tuple[ModelBackend, ...]) -> dict[str, Any]:
    master = plan.library.config.gateway.litellm.master_key
    wanted = {item.secret for item in found}
    wanted |= {one.key for item in found for one in item.spares}
    served = {name: item for name, item in backend_secrets(plan).items() if name in wanted}
    secrets = {**({"master": master} if master else {}), **served}
    if plan.library.config.gateway.litellm.enable:
        _refuse_shared(secrets)
    return secrets


def _refuse_shared(names: Iterable[str]) -> None:
    """ConfigError when two keys would be one variable: a server would get the other one's."""
    owners: dict[str, str] = {}
    for name in names:
        other = owners.setdefault(variable(name), name)
        if other != name:
            raise ConfigError(
                Diagnostic(
                    "targets.same-variable",
                    f"the keys of `{other}` and `{name}` would both be called `{variable(name)}`",
                    tuple(name.split(".", 1)),
                    hint="rename one of the two",
                )
            )


def _fallbacks(plan: Plan, which: str) -> list[dict[str, list[str]]]:
    served = ((item.model.names, getattr(item.model, which)) for item in plan.placements)
    external = (
        ((name, *table.aliases), getattr(table, which))
        for name, table in plan.library.external.items()
    )
    spelled = plan.library.spellings
    return [
        {name: list(others)}
        for names, others in (*served, *external)
        if others
        for name in (*names, *spelled(names))
    ]
