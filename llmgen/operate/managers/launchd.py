"""launchctl's words for each verb, and what `launchctl print` answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from llmgen.layout import Scope
from llmgen.operate.installation.steps import Words
from llmgen.operate.installation.units import Unit

_FIELD = re.compile(r"^\t(state|pid|last exit code|runs) = (.+)$", re.MULTILINE)


class Launchd(Struct, frozen=True):
    """launchd's domain of the system, or of one user's login."""

    scope: Scope
    uid: int = 0

    @property
    def privileged(self) -> bool:
        """Whether its changes need root."""
        return self.scope == "system"

    @property
    def domain(self) -> str:
        """The domain target, as launchctl(1) writes it."""
        return "system" if self.scope == "system" else f"gui/{self.uid}"

    def service(self, name: str) -> str:
        """The service target of a label."""
        return f"{self.domain}/{name}"

    def refresh(self) -> Iterator[Words]:
        """Nothing: launchd reads a file when it is bootstrapped."""
        yield from ()

    def enable(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Let the labels be bootstrapped, at login too."""
        for unit in chosen:
            yield ("launchctl", "enable", self.service(unit.name))

    def disable(self, names: Sequence[str]) -> Iterator[Words]:
        """Take the labels out of the domain; their files go next."""
        for name in names:
            yield ("launchctl", "bootout", self.service(name))

    def by_hand(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Refuse to bootstrap the labels at login; those that run go on."""
        for unit in chosen:
            yield ("launchctl", "disable", self.service(unit.name))

    def start(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Bring the agents into the domain; RunAtLoad starts them."""
        for unit in chosen:
            yield ("launchctl", "bootstrap", self.domain, str(unit.path))

    def stop(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Take the agents out of the domain: with KeepAlive a signal would only restart them."""
        for unit in chosen:
            yield ("launchctl", "bootout", self.service(unit.name))

    def restart(self, chosen: Sequence[Unit], *, rewritten: bool) -> Iterator[Words]:
        """Kill and start; a rewritten file is read by bootout and bootstrap only."""
        if rewritten:
            yield from self.stop(chosen)
            yield from self.start(chosen)
            return
        for unit in chosen:
            yield ("launchctl", "kickstart", "-k", self.service(unit.name))

    def reload(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Restart: there is no reload in launchd."""
        yield from self.restart(chosen, rewritten=False)

    def forget(self, names: Sequence[str]) -> Iterator[Words]:
        """Nothing is remembered after bootout."""
        del names
        yield from ()

    def show(self, name: str) -> Words:
        """Ask for the state of one label."""
        return ("launchctl", "print", self.service(name))


def answer(text: str) -> dict[str, str]:
    """The fields of `launchctl print` that status needs; its manual calls the rest unstable."""
    return dict(_FIELD.findall(text))
