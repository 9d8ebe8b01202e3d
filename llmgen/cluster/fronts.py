"""What leads into the cluster: what each kind of it cannot say, and what to know of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from llmgen.cluster.cluster import PodSet
from llmgen.config.config import Config
from llmgen.config.tables.base import Secret
from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.errors import Diagnostic, Severity
from llmgen.gateway.addresses import host_name
from llmgen.gateway.backends import ModelBackend, backends
from llmgen.gateway.endpoint_kinds import KINDS

# What Envoy AI Gateway 1.0 has for each kind of endpoint, the usual first: the API that it speaks
# with the server (cmd/extproc/mainlib/main.go). Clients find rerank at /cohere/v2/rerank.
SPOKEN: Final = {
    "text": "OpenAI",
    "embedding": "OpenAI",
    "speech": "OpenAI",
    "image": "OpenAI",
    "transcription": "OpenAI",
    "rerank": "Cohere",
}
_KINDS: Final = {kind.name: kind for kind in KINDS}


def spoken(backend: ModelBackend) -> tuple[str, str] | None:
    """The kind by which Envoy AI Gateway routes to a server, and the API; None: it cannot."""
    own = (*backend.paths, *backend.moved.values())
    for name, api in SPOKEN.items():
        kind = _KINDS[name]
        # A path of the server's own cannot be told to it.
        known = not own or any(re.fullmatch(kind.paths, path) for path in backend.paths)
        if {*backend.serves} & {*kind.roles} and name not in backend.moved and known:
            return name, api
    return None


def clients(table: Kubernetes) -> str:
    """The Secret with the clients' keys alone, each as the entry with the client's name."""
    return f"{table.secret}-clients"


def apart(table: Kubernetes, secret: Secret) -> str:
    """The Secret with one key alone, as its entry `apiKey`: Envoy AI Gateway reads no other."""
    name = secret.env or secret.credential or PurePosixPath(secret.file or "").name
    return f"{table.secret}-{host_name(name)}"


def findings(config: Config) -> Iterator[Diagnostic]:
    """What llm.toml wants of the gateway that this kind of gateway cannot do."""
    table = config.kubernetes
    if table is None:
        return
    if table.tokens_per_minute and table.gateway != "ai-gateway":
        yield Diagnostic(
            "kubernetes.tokens",
            "nothing but Envoy AI Gateway counts tokens",
            ("kubernetes", "tokens_per_minute"),
            hint='`gateway = "ai-gateway"` in [kubernetes], or no `tokens_per_minute`',
        )
    match table.gateway:
        case "ai-gateway":
            yield from _beyond_ai_gateway(config)
        case "gateway-api" if not (config.gateway.envoy.enable or config.gateway.litellm.enable):
            yield from _beyond_routes(config)
        case "inference-extension":
            yield from _beyond_routes(config)
        case _:
            return


def _beyond_routes(config: Config) -> Iterator[Diagnostic]:
    """An HTTPRoute asks for no key, counts nothing, and leads to Services alone."""
    envoy = config.gateway.envoy
    envoy_first = _by_envoy(config)
    whole = f'{envoy_first}, or `gateway = "ai-gateway"` in [kubernetes]'
    said = (
        ("api_keys", bool(envoy.api_keys)),
        ("requests_per_minute", bool(envoy.requests_per_minute)),
        ("cors_origins", bool(envoy.cors_origins)),
    )
    for key in (key for key, is_said in said if is_said):
        yield Diagnostic(
            "kubernetes.route",
            f"routes of the Gateway API know nothing of `{key}`",
            ("gateway", "envoy", key),
            hint=whole,
        )
    for name in config.external:
        yield Diagnostic(
            "kubernetes.route",
            f"routes of the Gateway API lead to Services, and `{name}` is on another server",
            ("external", name),
            hint=whole,
        )
    spare = (name for name, item in config.models.items() if item.enable and item.failover)
    for name in spare:
        yield Diagnostic(
            "kubernetes.route",
            f"routes of the Gateway API ask no other server when that of `{name}` does not answer",
            ("models", name, "failover"),
            hint=f"{envoy_first}; or `hosts = 2`: more pods",
        )


def _beyond_ai_gateway(config: Config) -> Iterator[Diagnostic]:
    whole = '`gateway = "gateway-api"` with `enable = true` in [gateway.envoy]'
    for name, item in config.external.items():
        for key in ("failover", "ca", "client_tls"):
            if getattr(item, key):
                yield _not_in_ai_gateway(("external", name, key), key, name, whole)
    for name, model in config.models.items():
        if model.enable and model.failover:
            yield _not_in_ai_gateway(("models", name, "failover"), "failover", name, whole)


def _not_in_ai_gateway(key: tuple[str, ...], word: str, name: str, hint: str) -> Diagnostic:
    return Diagnostic(
        "kubernetes.ai-gateway",
        f"resources for Envoy AI Gateway are written without `{word}`, which `{name}` has",
        key,
        hint=hint,
    )


def notes(config: Config, units: Sequence[PodSet]) -> Iterator[Diagnostic]:
    """What whoever runs the cluster has to know of what leads into it."""
    table = config.kubernetes
    if table is None or table.gateway == "none":
        return
    if table.gateway == "ai-gateway":
        yield from _of_ai_gateway(config, table, units)
    else:
        yield from _of_routes(config, table, units)


def _of_routes(config: Config, table: Kubernetes, units: Sequence[PodSet]) -> Iterator[Diagnostic]:
    envoy, litellm = config.gateway.envoy, config.gateway.litellm
    by_envoy = table.gateway == "gateway-api" and envoy.enable
    by_litellm = table.gateway == "gateway-api" and litellm.enable and not envoy.enable
    if not (by_envoy and envoy.api_keys) and not (by_litellm and litellm.master_key):
        yield _note(
            "nobody is asked for a key: whoever reaches the Gateway is served",
            "`master_key` in [gateway.litellm]" if by_litellm else _by_envoy(config, "api_keys"),
        )
    if by_envoy or by_litellm:
        return
    header = "x-llm-model" if table.gateway == "gateway-api" else "x-gateway-model-name"
    yield _note(
        f"routes of the Gateway API read no bodies: a model that is no default is named in the "
        f"header `{header}`, too",
        f'{_by_envoy(config)}, or `gateway = "ai-gateway"` in [kubernetes]',
    )
    always = (unit for unit in units if unit.kind == "model")
    if named := [one for unit in always for p in unit.plan.placements for one in p.model.variants]:
        yield _note(
            f"routes of the Gateway API set no parameters: {_list(named)} of always-on models are "
            "those models as they are",
            '`gateway = "ai-gateway"`, or `keep = "on_demand"` behind llama-swap',
        )


def _by_envoy(config: Config, more: str = "") -> str:
    """What is still to be said, so that routes lead to Envoy: of [gateway.envoy] ``more``, too."""
    envoy = ["enable = true"] * (not config.gateway.envoy.enable) + [more] * bool(more)
    there = config.kubernetes is not None and config.kubernetes.gateway == "gateway-api"
    found = [] if there else ['`gateway = "gateway-api"` in [kubernetes]']
    if envoy:
        found.append(" and ".join(f"`{item}`" for item in envoy) + " in [gateway.envoy]")
    return " with ".join(found)


def _of_ai_gateway(
    config: Config, table: Kubernetes, units: Sequence[PodSet]
) -> Iterator[Diagnostic]:
    found = [item for unit in units for item in backends(unit.plan)]
    if others := [item.model for item in found if spoken(item) is None]:
        yield _note(
            f"Envoy AI Gateway has no way to {_list(others)}: reached inside the cluster alone",
            "`enable = true` in [gateway.envoy] is beside it, and routes to all",
        )
    if reranks := [item.model for item in found if (spoken(item) or ("",))[0] == "rerank"]:
        yield _note(f"Envoy AI Gateway has {_list(reranks)} at `/cohere/v2/rerank`", "")
    if keys := config.gateway.envoy.api_keys:
        entries = _list([key.name for key in keys])
        yield _note(
            f"Envoy Gateway reads clients' keys from the Secret `{clients(table)}`: {entries}",
            "each entry is a client, and every entry is let in",
        )
    else:
        yield _note(
            "nobody is asked for a key: the Gateway is reached inside the cluster alone",
            "`api_keys` of [gateway.envoy] open it",
        )
    if wanted := [*dict.fromkeys(apart(table, item) for item in _server_keys(config))]:
        yield _note(
            f"Envoy AI Gateway reads servers' keys from the entry `apiKey` of {_list(wanted)}", ""
        )
    if config.gateway.envoy.requests_per_minute or table.tokens_per_minute:
        yield _note(
            "Envoy Gateway counts requests and tokens of each key in a rate limit service",
            "set `rateLimit.backend` (Redis) in Envoy Gateway's own configuration",
        )


def _server_keys(config: Config) -> Iterator[Secret]:
    """The key of each kind of server, where it has one."""
    services = config.services
    own = (services.api_key, *services.llama_swap.api_keys[:1], *services.router.api_keys[:1])
    yield from (item for item in own if item is not None)
    yield from (item.api_key for item in config.external.values() if item.api_key is not None)


def _note(message: str, hint: str) -> Diagnostic:
    key = ("kubernetes", "gateway")
    return Diagnostic("kubernetes.gateway", message, key, hint=hint, severity=Severity.NOTE)


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
