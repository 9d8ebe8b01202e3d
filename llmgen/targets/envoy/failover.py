"""Models that several machines have: which are asked in turn, and the way to each of them.

Envoy gives a cluster one key for all of its servers. So the way to another machine is a socket of
Envoy itself in its private folder, behind which the machine's own key and certificate are; and the
way to the own server is one more, behind which is the gateway as another machine would ask it.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from msgspec import Struct

from llmgen.errors import ConfigError, Diagnostic
from llmgen.gateway.backends import ModelBackend
from llmgen.gateway.endpoint_kinds import KINDS
from llmgen.gateway.remotes import Remote
from llmgen.targets.envoy.clusters import MANY, doors

# The longest path of a socket: `sun_path` of macOS, with its NUL; Linux has four more.
LONGEST: Final = 103
OWN: Final = "own"
# What a socket is told of the model, whose name stands in paths of llama-swap.
MODEL: Final = "x-llm-model"


class FailoverSocket(Struct, frozen=True):
    """A socket, and which machine is behind it."""

    name: str
    path: str


class Failover(Struct, frozen=True):
    """A model's machines, each asked when those before it do not answer."""

    name: str
    ways: tuple[FailoverSocket, ...]
    slots: int
    pending: int


class Path(Struct, frozen=True):
    """Paths that are others there, in whole (RE2), and what they are.

    A ``pattern`` is substituted, else it is a format of Envoy's.
    """

    paths: str
    told: str
    pattern: str = ""


class FailoverListener(Struct, frozen=True):
    """The listener before another machine."""

    way: FailoverSocket
    cluster: str
    authority: str
    prefix: str
    swap: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """How paths are there, of all that are others."""
        return tuple(_paths(self.prefix, swap=self.swap))


def failovers(backends: tuple[ModelBackend, ...], folder: str, queue: int) -> tuple[Failover, ...]:
    """Every model with several machines."""
    return tuple(_failover(item, folder, queue) for item in backends if item.failover)


def ways_out(backends: tuple[ModelBackend, ...], folder: str) -> tuple[FailoverListener, ...]:
    """The listener of every other machine, once."""
    return tuple(_door(item, folder) for item in doors(backends))


def way_back(backends: tuple[ModelBackend, ...], folder: str) -> FailoverSocket | None:
    """The socket of the gateway itself; None when no model of its own has failover."""
    own = any(item.failover and item.engine != "external" for item in backends)
    return _way(OWN, folder) if own else None


def _failover(backend: ModelBackend, folder: str, queue: int) -> Failover:
    ways = tuple(_way(item.label, folder) for item in backend.failover)
    if backend.engine == "external":
        return Failover(backend.failover_name, ways, backend.slots, backend.slots + queue)
    # The own server's slots and queue are counted behind its socket.
    return Failover(backend.failover_name, (_way(OWN, folder), *ways), MANY, MANY)


def _door(item: Remote, folder: str) -> FailoverListener:
    return FailoverListener(
        way=_way(item.label, folder),
        cluster=f"door/{item.label}",
        authority=item.authority,
        prefix=item.prefix,
        swap=item.swap,
    )


def _paths(prefix: str, *, swap: bool) -> Iterator[Path]:
    for kind in KINDS if swap else ():
        match kind.swap:
            case (pattern, substitution) if not prefix:
                yield Path(kind.paths, str(substitution), str(pattern))
            case "upstream":
                below = prefix.replace("%", "%%")
                yield Path(kind.paths, f"{below}/upstream/%REQ({MODEL})%%PATH(NQ)%")
            case _:
                pass
    if prefix:
        yield Path("/.*", rf"{prefix}\1", "^(/.*)$")


def _way(name: str, folder: str) -> FailoverSocket:
    # Short, since folders may be long; which machine it is stands beside it in every file.
    file = OWN if name == OWN else sha256(name.encode()).hexdigest()[:10]
    path = f"{folder}/{file}.sock"
    if len(path.encode()) > LONGEST:
        raise ConfigError(
            Diagnostic(
                "gateway.long-path",
                f"Envoy would listen at `{path}`, and a socket's path has {LONGEST} bytes at most",
                ("paths", "runtime"),
                hint="a shorter `runtime` in [paths]",
            )
        )
    return FailoverSocket(name, path)
