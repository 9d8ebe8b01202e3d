"""Words of `docker compose` and `podman compose` for each verb; compose compares and orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct

from llmgen.operate.installation.steps import Lines, Words
from llmgen.operate.installation.units import Unit
from llmgen.targets.containers.container import WITH_MACHINE

# Docker's daemon starts what had failed when it went, so there nothing but `no` is by hand.
BY_HAND: Final = {"docker": "no", "podman": "on-failure"}


class Compose(Struct, frozen=True):
    """The program that runs one compose file; ``manifests`` say which keys it reads.

    ``rootful`` is a daemon of root's, which only root may talk to.
    """

    program: str
    file: PurePosixPath
    manifests: tuple[PurePosixPath, ...] = ()
    rootful: bool = False

    @property
    def privileged(self) -> bool:
        """Whether its changes need root."""
        return self.rootful

    def words(self, *words: str) -> Words:
        """The words of a command about the file."""
        return (self.program, "compose", "--file", str(self.file), *words)

    def refresh(self) -> Iterator[Words]:
        """Nothing: each command reads the file."""
        yield from ()

    def enable(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Nothing: the file says that they are restarted."""
        del chosen
        yield from ()

    def disable(self, names: Sequence[str]) -> Iterator[Words]:
        """Remove the containers and networks; volumes with people's data stay."""
        if names:
            yield self.words("down", "--remove-orphans")

    def by_itself(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Start the containers with the machine again."""
        yield from self._policy(WITH_MACHINE.get(self.program, "always"), chosen)

    def by_hand(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """No longer start the containers with the machine; those that run go on."""
        yield from self._policy(BY_HAND.get(self.program, "no"), chosen)

    def start(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Create what is not there, and start it once what it depends on is healthy."""
        yield from self.fill()
        yield self.words("up", "--detach", "--remove-orphans", *_some(chosen))

    def stop(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Remove all of it, or stop some services."""
        if _some(chosen):
            yield self.words("stop", *_some(chosen))
        else:
            yield self.words("down", "--remove-orphans")

    def restart(self, chosen: Sequence[Unit], *, rewritten: bool) -> Iterator[Words]:
        """Start anew; of a rewritten file compose finds out by itself which services differ."""
        yield from self.fill()
        if rewritten:
            yield self.words("up", "--detach", "--remove-orphans")
        else:
            alone = ("--no-deps",) if _some(chosen) else ()
            yield self.words("up", "--detach", "--force-recreate", *alone, *_some(chosen))

    def reload(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Restart: a container is made with its files."""
        yield from self.restart(chosen, rewritten=False)

    def forget(self, names: Sequence[str]) -> Iterator[Words]:
        """Nothing is remembered."""
        del names
        yield from ()

    def fill(self) -> Iterator[Words]:
        """Put the keys where the containers read them."""
        for manifest in self.manifests:
            yield ("llmgen", "keys", str(manifest))

    def _policy(self, name: str, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Each container by itself: podman's `update` takes one."""
        for unit in chosen:
            yield (self.program, "update", f"--restart={name}", unit.name)

    def show(self, names: Sequence[str]) -> Words:
        """Ask for the states of containers, whatever compose knows of them."""
        return inspect(self.program, names)

    def logs(self, chosen: Sequence[Unit], wanted: Lines) -> Words:
        """Read what the services said."""
        more = ["--follow"] if wanted.follow else []
        if wanted.since:
            more.append(f"--since={wanted.since}")
        lines = f"--tail={wanted.lines}"
        return self.words("logs", "--no-color", "--timestamps", lines, *more, *_some(chosen))


def inspect(program: str, names: Sequence[str]) -> Words:
    """The words that print containers as a JSON list."""
    return (program, "inspect", "--type=container", *names)


def _some(chosen: Sequence[Unit]) -> tuple[str, ...]:
    """The services' names, none where all of the file are meant."""
    names = tuple(unit.service for unit in chosen)
    every = {name for unit in chosen for name in unit.siblings}
    return () if every <= {*names} else names
