"""Wake-on-LAN: the packet that a sleeping machine's network card waits for, and its answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final

from llmgen.errors import Diagnostic, InputError
from llmgen.gateway.addresses import bare
from llmgen.web import client
from llmgen.web.limits import Limits

# The port is not read by any card; 9 is `discard`.
PORT: Final = 9
# A packet is lost as any other, and a card may listen only after a second or two of going asleep.
_AGAIN_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 0.5
_LOOK: Final = Limits(2.0, size_bytes=2**16, depth=0)


def packet(mac: str) -> bytes:
    """Six times ff, and the card's address sixteen times."""
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "").replace("-", "")) * 16


def send(mac: str, broadcast: str, *, port: int = PORT) -> None:
    """Send the packet to every machine of a network; InputError where that cannot be."""
    address = bare(broadcast)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sender.sendto(packet(mac), (address, port))
    except OSError as error:
        raise InputError(
            Diagnostic(
                "wake.no-packet",
                f"no packet can be sent to `{broadcast}`: {error.strerror or error}",
                hint="`broadcast` is the address of its network (`ip -4 address` calls it `brd`)",
            )
        ) from error


def wake(
    mac: str,
    broadcast: str,
    answers: Callable[[], bool],
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Send until ``answers`` says yes; whether it did in time. An awake machine is sent nothing."""
    end, again = clock() + seconds, 0.0
    while not answers():
        now = clock()
        if now >= end:
            return False
        if now >= again:
            send(mac, broadcast)
            again = now + _AGAIN_SECONDS
        pause(_PAUSE_SECONDS)
    return True


def is_awake(url: str) -> bool:
    """Whether something answers there, with 200 as llama-swap asks for it."""
    import httpx  # noqa: PLC0415 - costs more than most commands take

    try:
        return client.request(url, _LOOK, {}).status_code == httpx.codes.OK
    except (httpx.HTTPError, InputError):
        return False
