"""``llmgen wake``: wake machines that sleep, and wait for them; llama-swap's hook for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

import click
from msgspec import Struct

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read
    from llmgen.config.tables.wake import Wake

# Longer than any machine runs; `infinity` is not every sleep's.
_FOREVER = str(2**31 - 1)


class Sleeper(Struct, frozen=True):
    """A machine: its card, where the packet goes, what it answers when it is awake."""

    name: str
    mac: str
    broadcast: str
    seconds: float
    url: str


@command(short_help="wake hosts that sleep, and wait until they answer")
@click.argument("names", nargs=-1, metavar="[HOST]...")
@click.option("--no-wait", is_flag=True, help="Send the packet alone.")
@click.option("--mac", metavar="MAC", help="A card's address, instead of a host of llm.toml.")
@click.option("--broadcast", metavar="ADDRESS", help="Where its packet goes.")
@click.option("--url", metavar="URL", help="What answers with 200 once it is awake.")
@click.option("--seconds", type=click.IntRange(1, 3600), help="Longest time to wait.")
@click.option(
    "--stay", is_flag=True, help="Stay until this is stopped, as llama-swap's servers do."
)
def cli(
    session: Session,
    names: tuple[str, ...],
    *,
    mac: str | None,
    broadcast: str | None,
    url: str | None,
    seconds: int | None,
    no_wait: bool,
    stay: bool,
) -> Outcome:
    """Wake hosts of [hosts] that have `wake`, and models of [external] that do.

    A magic packet goes to the network until the host's door answers, `seconds` at most; one that
    answers already is sent nothing. llama-swap runs this before the first request to a model of
    such a host.
    """
    if mac:
        if names:
            raise click.UsageError("name a host, or say --mac")
        if not url and not no_wait:
            raise click.UsageError("--mac needs a --url that answers, or --no-wait")
        found = [_told(mac, broadcast, url or "", seconds)]
    else:
        if broadcast or url:
            raise click.UsageError("--broadcast and --url are for --mac: hosts have theirs")
        found = _sleepers(session, names)
    for item in found:
        _wake(item, seconds or item.seconds, no_wait=no_wait)
    if stay:
        _stay()
    named = ", ".join(item.name for item in found)
    return Outcome(
        {"hosts": [item.name for item in found], "awake": not no_wait},
        said=f"packet sent: {named}" if no_wait else f"awake: {named}",
    )


def _told(mac: str, broadcast: str | None, url: str, seconds: int | None) -> Sleeper:
    """A machine of the command line, judged as llm.toml would be."""
    from pydantic import ValidationError

    from llmgen.config.tables.wake import Wake

    try:
        table = Wake.model_validate(
            {
                "mac": mac,
                **({"broadcast": broadcast} if broadcast else {}),
                **({"seconds": seconds} if seconds else {}),
            }
        )
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        raise click.UsageError(f"--{key} is no {_WANTED.get(key, key)}") from None
    if url and not url.startswith(("http://", "https://")):
        raise click.UsageError("--url is no URL like `http://192.168.1.11:8080/health`")
    return Sleeper(mac, table.mac, table.broadcast, table.seconds, url)


_WANTED = {
    "mac": "address of a card like `aa:bb:cc:dd:ee:ff`",
    "broadcast": "address like `192.168.1.255`",
}


def _sleepers(session: Session, names: tuple[str, ...]) -> list[Sleeper]:
    from difflib import get_close_matches

    from llmgen.cli.pipeline import read_whole

    known = _known(read_whole(session))
    wanted = names or session.hosts
    if not known:
        raise InputError(
            Diagnostic(
                "wake.none",
                "no host of llm.toml says how it is woken",
                hint='`wake = { mac = "aa:bb:cc:dd:ee:ff" }` in [hosts.NAME]',
            )
        )
    if not wanted:
        raise click.UsageError(f"name a host: {', '.join(known)}")
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}"
            raise click.UsageError(f"`{name}` is nothing that is woken; {hint}")
    return [known[name] for name in dict.fromkeys(wanted)]


def _known(found: Read) -> Mapping[str, Sleeper]:
    known = {
        name: _sleeper(name, table.wake, table.endpoint)
        for name, table in found.config.external.items()
        if table.wake
    }
    if any(host.wake for host in found.config.hosts.values()):
        known |= _hosts(found)
    return known


def _hosts(found: Read) -> dict[str, Sleeper]:
    from llmgen.config.load import merged
    from llmgen.errors import LlmgenError
    from llmgen.facts.lock_model import Lock
    from llmgen.fleet.ground import ground_of

    try:
        doors = ground_of(found.config, merged(found.sources), Lock()).doors
    except LlmgenError as error:
        raise found.located(error) from None
    return {
        name: _sleeper(name, host.wake, doors[name].url(host.address))
        for name, host in found.config.hosts.items()
        if host.wake
    }


def _sleeper(name: str, wake: Wake, url: str) -> Sleeper:
    from llmgen.targets.swap_sleepers import health

    return Sleeper(name, wake.mac, wake.broadcast, wake.seconds, url + health(wake))


def _wake(item: Sleeper, seconds: float, *, no_wait: bool) -> None:
    from llmgen.cli.waiting import waiting
    from llmgen.operate.engines.magic_packet import is_awake, send, wake

    if no_wait:
        send(item.mac, item.broadcast)
        return
    with waiting(f"waking {item.name}"):
        done = wake(item.mac, item.broadcast, lambda: is_awake(item.url), seconds)
    if not done:
        raise InputError(
            Diagnostic(
                "wake.no-answer",
                f"`{item.name}` does not answer at {item.url}, {seconds:g} s after it was woken",
                hint="its firmware and card have to allow wake-on-LAN (`ethtool CARD` there says "
                "`Wake-on: g`), and the packet has to reach its network (`broadcast`)",
            )
        )


def _stay() -> NoReturn:
    """Wait for the signal that ends this, with next to no memory."""
    os.execvp("sleep", ["sleep", _FOREVER])  # noqa: S606, S607 - no shell, and PATH's own
