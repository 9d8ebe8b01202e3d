"""`wake`: how a machine that sleeps is woken before a request goes to it."""

from typing import Annotated

from pydantic import Field

from llmgen.config.tables.base import Address, HealthPath, Mac, Seconds, Table


class Wake(Table):
    """Wake-on-LAN: a magic packet, and how long its machine takes to answer."""

    mac: Mac
    """Address of its network card (`ip link` there)."""
    broadcast: Address = "255.255.255.255"
    """Where the packet goes; its network's own (`192.168.1.255`) where this machine has several."""
    seconds: Annotated[Seconds, Field(ge=1, le=3600)] = 120
    """Longest time until it answers; a request waits for it."""
    health: HealthPath | None = None
    """What it answers with 200, without a key, once it is awake; absent: `/health`."""
