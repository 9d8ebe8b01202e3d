"""One HTTP endpoint of the stack: where it is, which key it wants, and plain requests to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.config.tables.base import Secret
from llmgen.errors import Diagnostic, InputError
from llmgen.gateway.addresses import in_url, nearest
from llmgen.gateway.secrets import absolute
from llmgen.layout import layout
from llmgen.operate.engines import within
from llmgen.units import MIB
from llmgen.web import client
from llmgen.web.limits import QUICK, Limits

if TYPE_CHECKING:
    import httpx

QUIET_SECONDS = 0.7
# The lines that llama-swap keeps of a model (its own buffer is 10 KiB), and those that come while
# it is read.
LOG = Limits(10.0, size_bytes=16 * MIB, depth=0)


# Who asks, as a server's log names it.
AGENT, GUARD = "llmgen", "llmgen guard"


class Endpoint(Struct, frozen=True):
    """Base URL without a trailing slash, the key that it wants, and who asks.

    ``inside`` are the words that start curl in the container where the URL leads to the server;
    empty where it does so here.
    """

    url: str
    key: str = ""
    inside: tuple[str, ...] = ()
    agent: str = AGENT

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request carries."""
        own = {"User-Agent": self.agent}
        return {"Authorization": f"Bearer {self.key}", **own} if self.key else own


def local(listen: str, port: int, key: str = "", inside: tuple[str, ...] = ()) -> Endpoint:
    """The endpoint of a server on this machine: a wildcard address is reached by loopback."""
    return Endpoint(f"http://{in_url(nearest((listen,)))}:{port}", key, inside)


def secret(reference: Secret | None, config: Config | None = None) -> str:
    """The value behind a reference as this user can see it; empty when it cannot.

    A relative path is one below the configuration folder, as it is for the services.
    """
    if reference is None:
        return ""
    if reference.env:
        return os.environ.get(reference.env, "")
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if reference.file and config is not None:
        reference = absolute(reference, layout(config.paths, config.services.scope))
    path = Path(reference.file or Path(folder, reference.credential or ""))
    try:
        return path.expanduser().read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError):
        return ""


def request(
    endpoint: Endpoint, method: str, path: str, *, body: object = None, limits: Limits = QUICK
) -> httpx.Response:
    """One request; InputError when nobody answers, or without end. A refusal is the caller's."""
    import httpx  # noqa: PLC0415 - costs more than most commands take

    url = endpoint.url + path
    try:
        if endpoint.inside:
            return within.request(
                endpoint.inside, url, limits, endpoint.headers, method=method, body=body
            )
        return client.request(url, limits, endpoint.headers, method=method, body=body)
    except httpx.HTTPError as error:
        raise InputError(unreachable(endpoint, error)) from error


def answer(endpoint: Endpoint, path: str) -> Any:  # noqa: ANN401 - JSON as the server sends it
    """The JSON of a GET; InputError when there is none."""
    got = request(endpoint, "GET", path)
    if got.status_code != 200:
        raise InputError(refused(endpoint, path, got.status_code, got.text))
    try:
        return got.json()
    except ValueError as error:
        said = f"no JSON: {got.text[:200]}"
        raise InputError(refused(endpoint, path, got.status_code, said)) from error


def rows(endpoint: Endpoint, path: str, key: str) -> list[dict[str, Any]]:
    """The objects that a GET lists under ``key``; InputError when something else answers there."""
    found = answer(endpoint, path)
    listed = (found.get(key) or []) if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise InputError(refused(endpoint, path, 200, f"no list `{key}`: another program?"))
    return [item for item in listed if isinstance(item, dict)]


def history(endpoint: Endpoint, path: str) -> str:
    """What a stream of text has at once; it is left when nothing comes for a moment."""
    import httpx  # noqa: PLC0415

    pieces: list[str] = []
    url = endpoint.url + path
    if endpoint.inside:
        code, text = within.stream(endpoint.inside, url, 3 * QUIET_SECONDS, endpoint.headers)
        if code not in (0, within.TIMED_OUT):
            raise InputError(unreachable(endpoint, RuntimeError(f"curl ended with {code}")))
        return text
    try:
        with (
            client.asking(url, LOG, endpoint.headers, wait_seconds=QUIET_SECONDS) as (asked, _),
            asked.stream("GET", url) as got,
        ):
            if got.status_code != 200:
                text = got.read().decode("utf-8", "replace")
                raise InputError(refused(endpoint, path, got.status_code, text))
            pieces.extend(got.iter_text())
    except httpx.ReadTimeout:
        return "".join(pieces)
    except httpx.HTTPError as error:
        raise InputError(unreachable(endpoint, error)) from error
    return "".join(pieces)


def unreachable(endpoint: Endpoint, error: Exception) -> Diagnostic:
    """Nobody answers there."""
    kind = str(error) or type(error).__name__
    return Diagnostic(
        "operate.unreachable",
        f"nobody answers at `{endpoint.url}`: {kind}",
        hint="`llmgen status` says what runs; `llmgen up` starts it",
    )


def refused(endpoint: Endpoint, path: str, status: int, text: str) -> Diagnostic:
    """It answers, but not with what was asked for."""
    said = " ".join(text.split())[:200]
    return Diagnostic(
        "operate.refused",
        f"`{endpoint.url}{path}` answers {status}: {said}",
        hint=refusal_hint(status),
    )


def refusal_hint(status: int) -> str:
    """What to do about an HTTP status."""
    if status in (401, 403):
        return "set the environment variable, or make the file readable, that `api_keys` names"
    return "`llmgen logs` shows what it says"
