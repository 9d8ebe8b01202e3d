"""The pages of a stack that a browser shows: which there are, and whether one answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.config.names import service_name
from llmgen.engines.loaders import LLAMA_SWAP, ROUTER
from llmgen.engines.registry import USUAL
from llmgen.errors import InputError
from llmgen.gateway.addresses import LOOPBACK, in_url, nearest
from llmgen.library import Keep
from llmgen.operate.engines.server import Endpoint, request
from llmgen.plan.plan import Plan
from llmgen.targets.containers.published_ports import published
from llmgen.units import MIB
from llmgen.web.limits import QUICK, Limits

# A page is no JSON, and its first file alone is read.
_PAGE: Final = Limits(QUICK.seconds, size_bytes=16 * MIB, depth=0)

# Names of pages beside those of models, whichever of them a stack has.
FRONTS: Final = ("llama-swap", "router", "open-webui", "envoy", "litellm")


class WebPage(Struct, frozen=True):
    """One page: ``service`` has ``port`` of this machine, ``path`` is the page's own there.

    ``is_models`` is one of many: the chat page of a model's own server.
    """

    name: str
    service: str
    base: str
    port: int
    path: str
    shows: str
    is_models: bool = False

    @property
    def url(self) -> str:
        """What a browser opens."""
        return self.base + self.path


def pages(plan: Plan) -> tuple[WebPage, ...]:
    """Every page that a program of the stack serves on this machine; in containers the published.

    Whether it does now is not known here: a program may be down, or compiled without its page.
    """
    config = plan.library.config
    if config.services.runtime == "native":
        return tuple(_pages(plan))
    reached = {(item.service, item.port) for item in published(plan)}
    return tuple(item for item in _pages(plan) if (item.service, item.port) in reached)


def _pages(plan: Plan) -> Iterator[WebPage]:
    config = plan.library.config
    services, gateway, chat = config.services, config.gateway, config.apps.open_webui
    if chat.enable:
        at = _at(chat.listen, chat.port)
        yield WebPage("open-webui", "open-webui", at, chat.port, "/", "chats, in Open WebUI")
    if plan.loader is LLAMA_SWAP:
        swap = services.llama_swap
        at, shows = _at(swap.listen, swap.port), "models, activity and logs, by llama-swap"
        yield WebPage("llama-swap", "swap", at, swap.port, "/ui/", shows)
    if plan.loader is ROUTER:
        router = services.router
        at, shows = _at(router.listen, router.port), "chats with any model, by llama-server"
        yield WebPage("router", "router", at, router.port, "/", shows)
    if gateway.envoy.enable:
        port, shows = gateway.envoy.admin_port, "clusters, counters and configuration, by Envoy"
        yield WebPage("envoy", "envoy", _at(LOOPBACK, port), port, "/", shows)
    if gateway.litellm.enable:
        at, port = _at(gateway.litellm.listen, gateway.litellm.port), gateway.litellm.port
        yield WebPage("litellm", "litellm", at, port, *_litellm(config))
    yield from _of_models(plan)


def _of_models(plan: Plan) -> Iterator[WebPage]:
    """Chat pages of always-on servers; other engines than llama-server have none."""
    for item in plan.placements:
        chats = item.model.role in ("chat", "vision")
        if item.keep is Keep.ALWAYS and item.model.engine is USUAL and chats:
            at, service = _at(LOOPBACK, item.port), service_name(item.name)
            shows = "chats with this model, by llama-server"
            yield WebPage(item.name, service, at, item.port, "/", shows, is_models=True)


def _litellm(config: Config) -> tuple[str, str]:
    """Its own page wants a database to log in; without one there is the API to try."""
    settings = config.gateway.litellm.extra.get("general_settings")
    if isinstance(settings, dict) and settings.get("database_url"):
        return "/ui/", "keys, spending and models, by LiteLLM"
    return "/", "the API to try, by LiteLLM"


def _at(listen: str, port: int) -> str:
    return f"http://{in_url(nearest((listen,)))}:{port}"


def lacking(page: WebPage, key: str = "") -> str:
    """Why a page is not there; empty when it answers."""
    try:
        got = request(Endpoint(page.base, key), "GET", page.path, limits=_PAGE)
    except InputError as error:
        return "no answer" if error.diagnostics[0].code == "operate.unreachable" else str(error)
    # A page that asks for a key is one.
    if got.status_code < 400 or got.status_code == 401:
        return ""
    return "the program has no page" if got.status_code == 404 else f"answers {got.status_code}"
