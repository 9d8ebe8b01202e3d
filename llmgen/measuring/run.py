"""Start a model's server, ask it once, wait until it is idle, and say what it held at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from llmgen.measuring.asking import ServerRequest
from llmgen.measuring.cgroup import peak as cgroup_peak
from llmgen.measuring.device_use import device_use
from llmgen.measuring.own_server import LOOPBACK, Started, failed, ready, started
from llmgen.measuring.watch import PeakWatch
from llmgen.units import MIB
from llmgen.web.client import asking
from llmgen.web.limits import LimitError, Limits

_IDLE_SECONDS: Final = 60.0
# A large model on a processor takes its time for sixteen tokens.
_ANSWER: Final = Limits(1800.0, size_bytes=64 * MIB, depth=0)
# A server without a path of its own for health is given time to settle.
_SETTLED_SECONDS: Final = 300.0


class Subject(Struct, frozen=True):
    """What is started and asked: its command, its environment, and where it answers."""

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    port: int
    health: str
    ask: ServerRequest | None
    start_seconds: int


class MeasuredPeak(Struct, frozen=True):
    """The peak in bytes by device, and how it was found.

    ``cgroup_peak`` is the kernel's own of the process' cgroup, with file cache and kernel memory;
    ``answered`` is whether it was asked, ``idle`` whether it came to rest.
    """

    peak: Mapping[str, int]
    looks: int
    seconds: float
    cgroup_peak: int | None
    answered: bool
    idle: bool


def measure(subject: Subject, say: Callable[[str], None]) -> MeasuredPeak:
    """What a server holds at most; it is gone afterwards, whatever happens."""
    began = time.monotonic()
    with started(subject.words, subject.environment) as server:
        with PeakWatch(server.pid, device_use) as watch:
            url = f"http://{LOOPBACK}:{subject.port}"
            say(f"starting `{subject.name}`")
            if subject.health:
                ready(server, url, subject.health, subject.start_seconds, subject.name)
            else:
                watch.wait_idle(_SETTLED_SECONDS)
            if subject.ask is not None:
                say(f"asking `{subject.name}`")
                _ask(server, url, subject.ask, subject.name)
            say(f"waiting until `{subject.name}` is idle")
            idle = watch.wait_idle(_IDLE_SECONDS)
            counted = cgroup_peak(server.cgroup) if server.cgroup is not None else None
        if server.process.poll() is not None:
            raise failed(server, subject.name, "ended while it was measured")
    return MeasuredPeak(
        dict(sorted(watch.peak.items())),
        watch.looks,
        round(time.monotonic() - began, 1),
        counted,
        subject.ask is not None,
        idle,
    )


def _ask(server: Started, url: str, ask: ServerRequest, name: str) -> None:
    import httpx  # noqa: PLC0415 - costs more than most commands take

    try:
        with asking(url + ask.path, _ANSWER, {}) as (client, _):
            if ask.file:
                answer = client.post(
                    url + ask.path, data=ask.body, files={"file": ("silence.wav", ask.file)}
                )
            else:
                answer = client.post(url + ask.path, json=ask.body)
    except (httpx.HTTPError, LimitError) as error:
        raise failed(server, name, f"did not answer `{ask.path}`: {error}") from None
    if answer.status_code != 200:
        raise failed(server, name, f"answered `{ask.path}` with {answer.status_code}")
