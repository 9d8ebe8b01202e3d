"""[rpc]: devices of other machines that llama-server uses, and what is lent to those."""

from typing import Literal

from pydantic import Field

from llmgen.config.tables.base import (
    Address,
    Count,
    DeviceName,
    FileName,
    ModelName,
    Port,
    Size,
    SshDestination,
    Table,
    Text,
)


class Borrowed(Table):
    """[rpc.borrow.NAME]: the devices of one other machine, `rpc:NAME/gpu0` in `device`."""

    address: Address
    """Where its RPC servers are; with `link = "tunnel"` what `ssh` forwards makes it loopback."""
    link: Literal["tunnel", "private"] = "tunnel"
    """How the two machines are joined: RPC has no password, so it goes through `ssh`, or over a
    network that nobody else is on."""
    ssh: SshDestination | None = None
    """Where `ssh` finds it (`llm@spark`), for a tunnel; absent: its address."""
    ssh_port: Port | None = None
    """Port of its sshd; absent: what ~/.ssh/config says."""
    identity: Text | None = None
    """File of the private key for the tunnel; absent: what ~/.ssh/config says."""
    build: Count | None = Field(default=None, ge=1)
    """Its llama.cpp build, which has to be this machine's."""
    devices: dict[DeviceName, Size] = Field(default_factory=dict)
    """What models of this machine may take of each: `{ gpu0 = "100GiB" }`."""
    process_overhead: Size = 0
    """What its backend takes on each device for each RPC server."""
    ports: dict[ModelName, Port] = Field(default_factory=dict)
    """The RPC server of each model: one serves one llama-server at a time."""


class Lent(Table):
    """[rpc.lend.NAME]: one RPC server, for one model of another machine."""

    listen: Address = "127.0.0.1"
    """Address: loopback, or that of a private link."""
    port: Port
    """Port."""
    link: Literal["tunnel", "private"] = "tunnel"
    """`"private"` says of an address beyond loopback that nobody else reaches it."""
    peer: Address | None = None
    """The machine that uses it over a private link: `llmgen firewall` lets in no other one."""
    memory: dict[DeviceName, Size] = Field(default_factory=dict)
    """What the model takes: of each device that is lent, in the order in which the other machine
    numbers them, and of the `host`."""
    cache: bool = False
    """Keep large tensors as files, so that they are sent once."""


class Rpc(Table):
    """[rpc]: llama.cpp's RPC between machines; with [hosts] it is worked out."""

    borrow: dict[FileName, Borrowed] = Field(default_factory=dict)
    """Machines whose devices are used."""
    lend: dict[FileName, Lent] = Field(default_factory=dict)
    """RPC servers for models of other machines."""


class HostRpc(Table):
    """[hosts.NAME.rpc]: what the machine lends to models of the others."""

    devices: tuple[DeviceName, ...] = Field(min_length=1)
    """Devices that are lent (`["gpu0"]`); the models of others have `rpc:NAME/gpu0` in `device`."""
    port: Port = 50052
    """Port of the first RPC server; each model that uses one has its own."""
    link: Literal["tunnel", "private"] = "tunnel"
    """How the others reach it: RPC has no password, so through `ssh`, or over a network that nobody
    else is on (`"private"`: the server listens on the machine's `address` then)."""
    identity: Text | None = None
    """File of the private key for the tunnel, on the machines that use it; absent: what
    ~/.ssh/config says."""
    cache: bool = False
    """Keep large tensors as files on this machine, so that they are sent once."""
