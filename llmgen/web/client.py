"""One exchange with a server of the stack: a client that keeps limits, and plain requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from llmgen.web.limits import Limits
from llmgen.web.watch import HOOKS, Watch

if TYPE_CHECKING:
    import ssl

    import httpx

HINT = "another program may answer there: `llmgen status` says who has the port"


@contextmanager
def asking(
    url: str,
    limits: Limits,
    headers: Mapping[str, str],
    *,
    wait_seconds: float | None = None,
    verify: bool = True,
    outside: bool = False,
    hint: str = HINT,
) -> Iterator[tuple[httpx.Client, Watch]]:
    """A client for one request to ``url`` and its watch; what passes a limit is a LimitError.

    ``wait_seconds`` is how long a read may wait, when that is less than the whole answer may take;
    ``verify`` False asks a server with whatever certificate. ``outside`` is for servers that are
    not the stack's: proxies and certificates are those of the environment.
    """
    import httpx  # noqa: PLC0415 - costs more than most commands take

    waits = httpx.Timeout(limits.wait_seconds, read=wait_seconds or limits.wait_seconds)
    with (
        Watch(url, limits, hint) as watch,
        httpx.Client(
            headers=dict(headers),
            timeout=waits,
            trust_env=outside,
            follow_redirects=True,
            verify=verify and (outside or _trust()),
            event_hooks={name: [*hooks] for name, hooks in HOOKS.items()},
        ) as client,
    ):
        yield client, watch


def request(
    url: str,
    limits: Limits,
    headers: Mapping[str, str],
    *,
    method: str = "GET",
    body: object = None,
) -> httpx.Response:
    """One request and its whole answer, within the limits; httpx's errors are the caller's."""
    with asking(url, limits, headers) as (client, _):
        return client.request(method, url, json=body)


@cache
def _trust() -> ssl.SSLContext:
    """The authorities that are trusted, read at the first handshake: few requests have one."""
    import ssl  # noqa: PLC0415

    import httpx  # noqa: PLC0415

    whole = cache(lambda: httpx.create_ssl_context(trust_env=False))

    class Trust(ssl.SSLContext):
        def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:  # noqa: ANN401
            return whole().wrap_socket(*args, **options)

        def set_alpn_protocols(self, *args: Any) -> None:  # noqa: ANN401
            whole().set_alpn_protocols(*args)

        def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:  # noqa: ANN401
            return whole().wrap_bio(*args, **options)

    return Trust(ssl.PROTOCOL_TLS_CLIENT)
