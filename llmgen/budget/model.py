"""What the budget takes and gives: server settings in, bytes for each device out."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from llmgen.engines.memory import Basis

HOST = "host"


class DraftSettings(Struct, frozen=True):
    """How a draft model or an MTP head is attached (llama-server's ``--spec-*`` options)."""

    spec_type: str = "none"
    n_max: int = 3
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    n_gpu_layers: int = -1
    devices: tuple[str, ...] = ()


class ServerSettings(Struct, frozen=True):
    """llama-server options that move memory, under the server's own names.

    Defaults are the server's own with ``--fit off``. ``ctx_size`` 0 means the trained context;
    ``parallel`` -1 means auto (4 slots, unified); ``n_gpu_layers`` -1 means all. ``devices``
    names the devices that may hold layers, in order (``gpu0``, ``gpu1`` …; none: host only);
    ``tensor_split`` has one share for each of them, empty means equal. ``cache_ram_bytes`` -1
    means unlimited. Byte counts are bytes, the rest are the server's units.
    """

    ctx_size: int = 0
    parallel: int = -1
    kv_unified: bool | None = None
    batch_size: int = 2048
    ubatch_size: int = 512
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    flash_attn: str = "auto"
    swa_full: bool = False
    n_gpu_layers: int = -1
    n_cpu_moe: int = 0
    override_tensor: tuple[tuple[str, str], ...] = ()
    kv_offload: bool = True
    tensor_split: tuple[float, ...] = ()
    devices: tuple[str, ...] = ("gpu0",)
    embedding: bool = False
    pooling: str = ""
    load_mode: str = "auto"
    cache_ram_bytes: int = 8192 * 2**20
    ctx_checkpoints: int = 32
    mmproj_offload: bool = True
    draft: DraftSettings | None = None


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
    counted in ``total``. ``sending`` is what weights on the way to another machine take beyond.
    """

    output: int = 0
    prompt_cache: int = 0
    checkpoints: int = 0
    page_cache: int = 0
    sending: int = 0

    @property
    def total(self) -> int:
        """What cannot be dropped."""
        return self.output + self.prompt_cache + self.checkpoints + self.sending


class Estimate(Struct, frozen=True):
    """Memory of one server process; ``memory`` has the host first, then the devices in order.

    ``exact`` speaks of model and context bytes: True only where the oracle agreed for this
    architecture and build. ``margin`` is what the budget adds for each device against the
    measured error of ``compute``. ``n_ctx_seq`` is what one request can use. ``parts`` break the
    figures down for people: (device, what, bytes). ``basis`` says of a device how its bytes are
    known, where they are not computed.
    """

    n_ctx: int
    n_ctx_seq: int
    exact: bool
    memory: tuple[DeviceMemory, ...]
    host: HostMemory = HostMemory()
    margin: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    parts: tuple[tuple[str, str, int], ...] = ()
    basis: Mapping[str, Basis] = field(default_factory=dict)

    def on(self, device: str) -> int:
        """All bytes that count against ``device``, margin and host extras included."""
        named = sum(item.total for item in self.memory if item.device == device)
        extra = self.host.total if device == HOST else 0
        return named + extra + self.margin.get(device, 0)


class SettingRefused(ValueError):
    """The server would refuse to start with this setting; the text says why."""

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        """Name the option (snake_case), what is wrong, and what would work."""
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint
