"""Requests to servers that only their container reaches: curl within it, told by its input."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from llmgen.config.config import Config
from llmgen.operate.programs import run
from llmgen.targets.containers.container import container_name
from llmgen.web.limits import Limits

if TYPE_CHECKING:
    import httpx

# What curl(1) says of an answer that did not come in its time, or whole.
TIMED_OUT: Final = 28
_MARK: Final = "llmgen-status:"


def curl(program: str, container: str) -> tuple[str, ...]:
    """The words that start curl in a container; what it does stands on its input."""
    return (program, "exec", "--interactive", container, "curl", "--config", "-")


def reach(config: Config, service: str) -> tuple[str, ...]:
    """What reaches a service of the stack that publishes nothing; empty without containers."""
    if config.services.runtime == "native":
        return ()
    return curl(program(config), container_name(service))


def program(config: Config) -> str:
    """What runs the containers: podman starts quadlets, and compose has either."""
    runtime: str = config.services.runtime
    return "podman" if runtime == "quadlet" else config.containers.program


def request(
    words: tuple[str, ...],
    url: str,
    limits: Limits,
    headers: Mapping[str, str],
    *,
    method: str = "GET",
    body: object = None,
) -> httpx.Response:
    """One request; httpx's error when nobody answers there, or when the container does not run."""
    import httpx  # noqa: PLC0415 - costs more than most commands take

    lines = [
        f"request = {_quoted(method)}",
        f"max-filesize = {limits.size_bytes or 2**62}",
        f"write-out = {_quoted(f'{_MARK}%{{http_code}}')}",
        *_usual(url, limits.seconds, headers),
    ]
    if body is not None:
        lines += [
            'header = "Content-Type: application/json"',
            f"data-raw = {_quoted(json.dumps(body))}",
        ]
    done = run(words, text="\n".join([*lines, ""]), seconds=int(limits.seconds) + 30)
    asked = httpx.Request(method, url)
    text, _, status = done.output.rpartition(_MARK)
    if not done.ok or not status.isdigit() or status == "000":
        said = (done.errors.strip().splitlines() or [f"curl ended with {done.code}"])[-1]
        raise httpx.ConnectError(said, request=asked)
    return httpx.Response(int(status), text=text, request=asked)


def stream(
    words: tuple[str, ...], url: str, seconds: float, headers: Mapping[str, str]
) -> tuple[int, str]:
    """(curl's exit code, text) of a stream that is left after ``seconds``."""
    lines = ["no-buffer", *_usual(url, seconds, headers)]
    done = run(words, text="\n".join([*lines, ""]), seconds=int(seconds) + 30)
    return done.code, done.output


def _usual(url: str, seconds: float, headers: Mapping[str, str]) -> Iterator[str]:
    yield from ("silent", "show-error", "globoff", f"url = {_quoted(url)}")
    yield f"max-time = {seconds:g}"
    # On the input, so that no list of processes shows a key.
    yield from (f"header = {_quoted(f'{name}: {value}')}" for name, value in headers.items())


def _quoted(text: str) -> str:
    """A value of curl's configuration, where a backslash is written twice, and so on."""
    named = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(named.get(letter, letter) for letter in text) + '"'
