"""systemctl's words for services that podman's generator makes of quadlet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmgen.errors import Diagnostic, InputError
from llmgen.operate.installation.steps import Words
from llmgen.operate.installation.units import Unit
from llmgen.operate.managers.systemd import Systemd

_NETWORK = "-network.service"


class Quadlets(Systemd, frozen=True):
    """The same systemd; what [Install] of a quadlet says is done by the generator.

    ``networks`` are podman's own names of the networks, which stay when their units stop.
    """

    networks: tuple[str, ...] = ()

    def enable(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Nothing: systemd refuses it for generated units, and the generator has done it."""
        del chosen
        yield from ()

    def disable(self, names: Sequence[str]) -> Iterator[Words]:
        """Stop the containers, then their networks, which podman keeps until they are removed."""
        for chosen in filter(None, _ordered(names)):
            yield self.systemctl("stop", *chosen)
        if any(name.endswith(_NETWORK) for name in names):
            yield from self.remove_networks()

    def by_hand(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """InputError: a generated unit is wanted by what its file says while that is there."""
        raise InputError(_refused(chosen))

    def remove_networks(self) -> Iterator[Words]:
        """Remove the networks of units that have stopped."""
        for name in self.networks:
            yield ("podman", "network", "rm", "--force", name)


def _ordered(names: Sequence[str]) -> tuple[list[str], list[str]]:
    networks = [name for name in names if name.endswith(_NETWORK)]
    return [name for name in names if name not in networks], networks


def _refused(chosen: Sequence[Unit]) -> Diagnostic:
    return Diagnostic(
        "operate.generated",
        f"`{chosen[0].name}` is made by podman's generator, and starts with `llmgen.target`",
        hint="`llmgen disable llmgen.target` leaves the whole stack to `llmgen up`; "
        "`llmgen down NAME` stops one service until the next start",
    )
