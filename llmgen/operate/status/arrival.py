"""When a stack in the foreground can be asked, and what a person is told then."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Final

from msgspec import Struct

from llmgen.engines.loaders import table_of
from llmgen.errors import LlmgenError
from llmgen.gateway.addresses import in_url, nearest
from llmgen.library import Keep
from llmgen.plan.plan import Plan
from llmgen.web.limits import QUICK

POLL_SECONDS: Final = 0.5
_TOLD_NAMES: Final = 6


class EntryPoint(Struct, frozen=True):
    """Where clients connect."""

    scheme: str
    address: str
    port: int

    @property
    def url(self) -> str:
        """The base URL of an OpenAI client."""
        return f"{self.scheme}://{in_url(self.address)}:{self.port}/v1"


def door(plan: Plan) -> EntryPoint | None:
    """The one that knows most names: a gateway before the engine, the engine before a server."""
    config = plan.library.config
    envoy, litellm, services = config.gateway.envoy, config.gateway.litellm, config.services
    if envoy.enable:
        return EntryPoint("https" if envoy.tls else "http", nearest(envoy.listen), envoy.port)
    if litellm.enable:
        return EntryPoint("http", nearest((litellm.listen,)), litellm.port)
    if (loader := table_of(services)) is not None:
        return EntryPoint("http", nearest((loader.listen,)), loader.port)
    always = [item for item in plan.placements if item.keep is Keep.ALWAYS]
    return EntryPoint("http", "127.0.0.1", always[0].port) if always else None


def greeting(plan: Plan, at: EntryPoint) -> list[str]:
    """The address, the names, and a line to try in another terminal."""
    names = [name for item in plan.placements for name in item.model.names]
    more = len(names) - _TOLD_NAMES
    listed = ", ".join(names[:_TOLD_NAMES]) + (f" and {more} more" if more > 0 else "")
    chats = [item.name for item in plan.placements if item.model.role in ("chat", "vision")]
    lines = [f"ready: {at.url} answers to {listed}"]
    if chats:
        lines.append(f'try, in another terminal: llmgen run {chats[0]} "Say hello"')
    return [*lines, "^C here ends the stack"]


def greet_later(plan: Plan, say: Callable[[str], None], ended: Event) -> None:
    """Say the greeting from a thread, once the door is open and always-on servers are loaded."""
    at = door(plan)
    if at is None:
        return
    always = [item.port for item in plan.placements if item.keep is Keep.ALWAYS]

    def wait() -> None:
        while not ended.wait(POLL_SECONDS):
            if _is_open(at.address, at.port) and all(map(_is_loaded, always)):
                for line in greeting(plan, at):
                    say(line)
                return

    Thread(target=wait, daemon=True).start()


def _is_open(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), POLL_SECONDS):
        return True
    return False


def _is_loaded(port: int) -> bool:
    """llama-server answers 503 on /health while it loads."""
    import httpx  # noqa: PLC0415 - 60 ms that other commands do not pay

    from llmgen.web.client import request  # noqa: PLC0415

    with suppress(httpx.HTTPError, LlmgenError):
        return request(f"http://127.0.0.1:{port}/health", QUICK, {}).status_code == httpx.codes.OK
    return False
