"""Files for programs that use the models: address, names, and the context of one slot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from llmgen.artifacts import Artifact, Render
from llmgen.config.editions import EDITIONS
from llmgen.config.names import file_name
from llmgen.config.variables import VARIABLES
from llmgen.engines.loaders import LLAMA_SWAP, loader_of
from llmgen.gateway.addresses import at, in_url
from llmgen.gateway.backends import (
    ModelBackend,
    backends,
    engine_endpoint,
    own_backends,
)
from llmgen.plan.plan import Plan
from llmgen.targets import open_webui

NAME = "clients"
SUMMARY = "client files: environment, opencode, Continue, aider, Zed, Open WebUI"

TEXT = open_webui.TEXT


class ClientModel(Struct, frozen=True):
    """A model as clients see it at ``url``; ``output`` is the most that one answer may have."""

    url: str
    name: str
    title: str
    role: str
    context: int
    output: int
    pictures: bool
    tools: bool

    @property
    def openai(self) -> str:
        """The base of OpenAI's paths."""
        return f"{self.url}/v1"

    @property
    def aider(self) -> str:
        """Its name in aider, which names the provider first."""
        return f"openai/{self.name}"

    @property
    def continue_roles(self) -> tuple[str, ...]:
        """What Continue uses it for."""
        match self.role:
            case "embedding":
                return ("embed",)
            case "completion":
                return ("autocomplete",)
            case _:
                return ("chat", "edit", "apply")

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What Continue may send it."""
        if self.role not in ("chat", "vision"):
            return ()
        tools = ("tool_use",) if self.tools else ()
        return (*tools, "image_input") if self.pictures else tools


class Clients(Struct, frozen=True):
    """What every client file is made of; ``key`` is the environment variable with the key."""

    url: str
    key: str
    models: tuple[ClientModel, ...]
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def continued(self) -> tuple[ClientModel, ...]:
        """What Continue can use; it has no provider for this kind of rerank server."""
        return self.of(*TEXT, "embedding")

    @property
    def continue_key(self) -> str:
        """Continue's reference to a secret."""
        return "${{ secrets." + self.key + " }}"

    def of(self, *roles: str) -> tuple[ClientModel, ...]:
        """The models of these roles, the default one first."""
        return tuple(item for item in self.models if item.role in roles)

    def at_one_url(self, *roles: str) -> tuple[ClientModel, ...]:
        """Those of them at one address, for clients that know no second: most are at ``url``."""
        found = self.of(*roles)
        near = tuple(item for item in found if item.url == self.url)
        return near or tuple(item for item in found if item.url == found[0].url)

    def providers(self, *roles: str) -> dict[str, tuple[ClientModel, ...]]:
        """The same by address, each with a name: router mode leaves always-on servers alone."""
        found = self.of(*roles)
        names = {item.url: f"llmgen-{file_name(item.name)}" for item in reversed(found)}
        names[self.url] = "llmgen"
        return {
            names[url]: tuple(item for item in found if item.url == url)
            for url in dict.fromkeys(item.url for item in found)
        }


def in_use(plan: Plan) -> bool:
    """Always: people read them."""
    del plan
    return True


def artifacts(plan: Plan, render: Render) -> Iterator[Artifact]:
    """One file (aider: two) for each wanted format; none when no address is served."""
    table, clients = plan.library.config.targets.clients, clients_of(plan)
    if clients is None:
        return
    usual = EDITIONS[plan.library.config.edition].client_formats
    for name in usual if table.formats is None else table.formats:
        for path, content in _FORMATS[name](clients, render):
            yield Artifact(PurePosixPath(NAME, name, path), content, NAME)


def clients_of(plan: Plan) -> Clients | None:
    """What there is for clients; None where nothing serves a model."""
    key, url = plan.library.config.targets.clients.api_key_env, base_url(plan)
    return Clients(url, key, tuple(_models(plan)), tuple(_variables(plan))) if url else None


def base_url(plan: Plan) -> str:
    """What clients reach: as told, else the enabled gateway, else the engine; without ``/v1``.

    Where each model has only its own server, the first one's.
    """
    library, config = plan.library, plan.library.config
    envoy, lite = config.gateway.envoy, config.gateway.litellm
    # Within the network of the containers the gateway has no other name than its own.
    if config.targets.clients.base_url and not library.contained:
        return config.targets.clients.base_url.rstrip("/").removesuffix("/v1")
    if envoy.enable:
        scheme = "https" if envoy.tls else "http"
        return f"{scheme}://{in_url(at(library, 'envoy', envoy.listen))}:{envoy.port}"
    if lite.enable:
        return _url_of(at(library, "litellm", (lite.listen,)), lite.port)
    if loader_of(config.services).loads:
        endpoint = engine_endpoint(plan)
        return _url_of(endpoint.host, endpoint.port)
    own = (item for item in own_backends(plan) if not item.engine)
    return next((_own(item) for item in own), "")


def _own(backend: ModelBackend) -> str:
    """The address of an always-on server itself."""
    return _url_of(backend.endpoints[0].host, backend.endpoints[0].port)


def _url_of(host: str, port: int) -> str:
    return f"http://{in_url(host)}:{port}"


def _models(plan: Plan) -> Iterator[ClientModel]:
    # An engine routes to no external one, and there may be thousands of them.
    every = backends(plan) if _has_gateway(plan) else own_backends(plan)
    found = [item for item in every if not item.unlisted and not _is_own(item)]
    for item in sorted(found, key=lambda item: not item.default):
        url = _url(plan, item)
        if url:
            yield from _names(plan, item, url)


def _is_own(backend: ModelBackend) -> bool:
    """Whether only requests of its server's own form reach it (text-embeddings-inference)."""
    return backend.role in backend.moved


def _url(plan: Plan, backend: ModelBackend) -> str:
    """Where a model is reached; the router routes to itself alone."""
    if _has_gateway(plan):
        return base_url(plan)
    if not loader_of(plan.library.config.services).knows_others and not backend.engine:
        return _own(backend)
    return base_url(plan)


def _has_gateway(plan: Plan) -> bool:
    config = plan.library.config
    told = config.targets.clients.base_url is not None
    return told or config.gateway.envoy.enable or config.gateway.litellm.enable


def _names(plan: Plan, backend: ModelBackend, url: str) -> Iterator[ClientModel]:
    context = backend.context or 0
    output = context
    if backend.engine != "external":
        limit = plan.placement(backend.model).model.options.n_predict
        output = min(context, limit) if limit and limit > 0 else context
    knows_variants = _has_gateway(plan) or backend.engine == "llama_swap"
    variants = backend.variants if knows_variants else ()
    names = (backend.model, *(item.names[0] for item in variants))
    for name in names:
        title = backend.title if name == backend.model and backend.title else name
        yield ClientModel(
            url, name, title, backend.role, context, output, backend.pictures, backend.tools
        )


def _variables(plan: Plan) -> Iterator[tuple[str, str]]:
    """What scripts around published stacks read from their `.env`: what llm.toml says of it."""
    config = plan.library.config
    swap, guard = loader_of(config.services) is LLAMA_SWAP, config.guard.enable
    lite = config.gateway.litellm.enable
    tables: dict[tuple[str, ...], tuple[bool, object]] = {
        ("services", "llama_swap"): (swap, config.services.llama_swap),
        ("gateway", "litellm"): (lite, config.gateway.litellm),
        ("guard",): (guard, config.guard),
        ("defaults",): (True, config.defaults),
        ("paths",): (True, config.paths),
    }
    for name, (table, key) in VARIABLES.items():
        if table == ("naming",):
            value: object = plan.library.prefix
        else:
            told, found = tables[table]
            value = getattr(found, key) if told else None
        if isinstance(value, int | str):
            yield name, str(value)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _env(clients: Clients, render: Render) -> Iterator[tuple[str, bytes]]:
    text = clients.at_one_url("chat", "vision") or clients.at_one_url("completion")
    url, model = (text[0].url, text[0].name) if text else (clients.url, "")
    content = render(
        "clients/llm.env.j2", key=clients.key, openai=f"{url}/v1", anthropic=url, model=model
    )
    yield "llm.env", content


def _opencode(clients: Clients, _: Render) -> Iterator[tuple[str, bytes]]:
    """OpenCode compacts a session by ``limit.context``: it must be the slot's, not the model's."""
    found = clients.providers("chat", "vision")
    document: dict[str, Any] = {
        "$schema": "https://opencode.ai/config.json",
        "provider": {
            name: {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Local models",
                "options": {"baseURL": models[0].openai, "apiKey": f"{{env:{clients.key}}}"},
                "models": {item.name: _opencode_model(item) for item in models},
            }
            for name, models in found.items()
        },
    }
    first = next(iter(found.items()), None)
    if first is not None:
        document["model"] = f"{first[0]}/{first[1][0].name}"
    yield "opencode.json", _json(document)


def _opencode_model(item: ClientModel) -> dict[str, Any]:
    found: dict[str, Any] = {"name": item.title, "tool_call": item.tools}
    if item.pictures:
        found["attachment"] = True
        found["modalities"] = {"input": ["text", "image"], "output": ["text"]}
    if item.context:
        # An answer shares the context with its prompt: leave it at most half.
        found["limit"] = {"context": item.context, "output": min(item.output, item.context // 2)}
    return found


def _continue(clients: Clients, render: Render) -> Iterator[tuple[str, bytes]]:
    yield "config.yaml", render("clients/continue.yaml.j2", clients=clients)


def _aider(clients: Clients, render: Render) -> Iterator[tuple[str, bytes]]:
    text = clients.at_one_url("chat", "vision")
    facts = {
        item.aider: {
            "max_input_tokens": item.context,
            "max_output_tokens": item.output,
            "max_tokens": item.output,
            "input_cost_per_token": 0,
            "output_cost_per_token": 0,
            "litellm_provider": "openai",
            "mode": "chat",
        }
        for item in text
        if item.context
    }
    if text:
        yield ".aider.conf.yml", render("clients/aider.conf.yml.j2", model=text[0])
        yield ".aider.model.metadata.json", _json(facts)


def _zed(clients: Clients, _: Render) -> Iterator[tuple[str, bytes]]:
    """Zed keeps the key itself; LLMGEN_API_KEY in its environment works as well."""
    found = {
        name: {"api_url": models[0].openai, "available_models": [*_zed_models(models)]}
        for name, models in clients.providers("chat", "vision").items()
    }
    yield "settings.json", _json({"language_models": {"openai_compatible": found}})


def _zed_models(models: Iterable[ClientModel]) -> Iterator[dict[str, Any]]:
    for item in models:
        if item.context:
            yield {
                "name": item.name,
                "display_name": item.title,
                "max_tokens": item.context,
                "max_output_tokens": min(item.output, item.context // 2),
                "capabilities": {
                    "tools": item.tools,
                    "images": item.pictures,
                    "parallel_tool_calls": False,
                    "prompt_cache_key": False,
                },
            }


def _open_webui(clients: Clients, render: Render) -> Iterator[tuple[str, bytes]]:
    key = f"${{{clients.key}:-none}}"
    found = [(item.name, item.value, item.key(key)) for item in open_webui.settings(clients)]
    yield "open-webui.env", render("clients/open-webui.env.j2", settings=found)


def _dotenv(clients: Clients, render: Render) -> Iterator[tuple[str, bytes]]:
    yield ".env", render("clients/dotenv.j2", variables=clients.variables)


_FORMATS = {
    "dotenv": _dotenv,
    "env": _env,
    "opencode": _opencode,
    "continue": _continue,
    "aider": _aider,
    "zed": _zed,
    "open_webui": _open_webui,
}
