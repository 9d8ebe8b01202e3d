"""What the budget gives: bytes for each device."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from llmgen.engines.memory import Basis

HOST = "host"


class DeviceMemory(Struct, frozen=True):
    """What one server process allocates on one device, in llama.cpp's own words, in bytes."""

    device: str
    model: int
    context: int
    compute: int

    @property
    def total(self) -> int:
        """Model, context and compute together."""
        return self.model + self.context + self.compute


class HostMemory(Struct, frozen=True):
    """What a server takes from host memory beside llama.cpp's buffers, in bytes.

    ``output`` is the logits buffer, ``prompt_cache`` and ``checkpoints`` are the most that the
    options allow, ``page_cache`` are mapped weights: file cache that the kernel may drop, not
    counted in ``total``. ``process`` is the program and its vocabulary, ``sending`` what weights on
    the way to another machine take beyond.
    """

    output: int = 0
    prompt_cache: int = 0
    checkpoints: int = 0
    page_cache: int = 0
    process: int = 0
    sending: int = 0

    @property
    def total(self) -> int:
        """What cannot be dropped."""
        held = self.output + self.prompt_cache + self.checkpoints
        return held + self.process + self.sending


class Estimate(Struct, frozen=True):
    """Memory of one server process; ``memory`` has the host first, then the devices in order.

    ``exact`` speaks of model and context bytes: True only where the oracle agreed for this
    architecture and build. ``margin`` is what the budget adds for each device against the
    measured error of ``compute``, ``temporaries`` what the backend of a device takes beside its
    buffers for the operations of this model. ``n_ctx_seq`` is what one request can use. ``parts``
    break the figures down for people: (device, what, bytes). ``basis`` says of a device how its
    bytes are known, where they are not computed.
    """

    n_ctx: int
    n_ctx_seq: int
    exact: bool
    memory: tuple[DeviceMemory, ...]
    host: HostMemory = HostMemory()
    margin: Mapping[str, int] = field(default_factory=dict)
    temporaries: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    parts: tuple[tuple[str, str, int], ...] = ()
    basis: Mapping[str, Basis] = field(default_factory=dict)

    def on(self, device: str) -> int:
        """All bytes that count against ``device``: margin, temporaries and host extras, too."""
        named = sum(item.total for item in self.memory if item.device == device)
        extra = self.host.total if device == HOST else 0
        beside = self.margin.get(device, 0) + self.temporaries.get(device, 0)
        return named + extra + beside
