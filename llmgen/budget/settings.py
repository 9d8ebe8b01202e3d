"""What the budget takes: a server's settings, and the refusal of one."""

from __future__ import annotations

from msgspec import Struct


class DraftSettings(Struct, frozen=True):
    """How a draft model or an MTP head is attached (llama-server's ``--spec-*`` options)."""

    spec_type: str = "none"
    n_max: int = 3
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    n_gpu_layers: int = -1
    devices: tuple[str, ...] = ()
    # --spec-draft-backend-sampling: whether tokens of drafts are picked where the logits are.
    backend_sampling: bool = True


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


class SettingRefused(ValueError):
    """The server would refuse to start with this setting; the text says why."""

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        """Name the option (snake_case), what is wrong, and what would work."""
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint
