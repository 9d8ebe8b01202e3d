"""What the budget adds to the computed figures, from their measured error."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmgen.budget.model import HOST, DeviceMemory, ServerSettings
from llmgen.units import MIB


class Extra(Struct, frozen=True):
    """Per cent of compute, and bytes, on each device."""

    percent: int
    absolute_bytes: int

    def of(self, compute_bytes: int) -> int:
        """Bytes for a compute buffer of this size."""
        return compute_bytes * self.percent // 100 + self.absolute_bytes


# Each is the smallest step of 4 MiB that covers every recorded total of its kind: 78,347 totals of
# published shapes and of every architecture's fixture, 13 builds from b9464 to b11739
# (`python -m oracle.margins` in tests prints them). In brackets the case that asks for most.
ORDINARY: Final = Extra(10, 48 * MIB)  # hy_v4 fixture, b11434
EMBEDDING: Final = Extra(10, 108 * MIB)  # glm-dsa fixture, b10335
# Recorded: 47, granitehybrid, b9464; drawn at random: 79, DeepSeek-V3 with three slots, b9464.
HOST_CACHE: Final = Extra(10, 80 * MIB)
SEVERAL_DEVICES: Final = Extra(10, 92 * MIB)  # glm5-next fixture, b11434


class Wider(Struct, frozen=True):
    """Graphs whose closed form is known to fall short in builds before ``until``.

    It does not make the margin of any kind of server smaller.
    """

    architecture: str
    until: int
    extra: Extra


_EVER: Final = 10**9
WIDER: Final = (
    # Its indexer's scores are kept for every stream: compute up to 5.26 times ours at b11067.
    Wider("qwen4exp", 11352, Extra(430, 32 * MIB)),
    # Shapes drawn at random at b11434: short by so many MiB of compute, beside ours.
    Wider("deepseek4", _EVER, Extra(70, 96 * MIB)),  # 83 beside 13, 176 beside 244
    Wider("glm5-next", _EVER, Extra(10, 404 * MIB)),  # 402 beside none, one layer on a device
    Wider("minimax-m3", _EVER, Extra(125, 92 * MIB)),  # 617 beside 432, two devices
)
# With op offload, prompts copy host-resident experts to the device, two matrices at a time: 76 to
# 151 MiB on DeepSeek-V2-Lite, about 660 on Qwen3-Next-80B. RPC devices, and so the oracle, do not.
_COPIED_EXPERTS: Final = 2
# A cache on the host is copied to the device layer by layer; where a copy finds no hole of its size
# the buffer grows by a part of it. Plain layers are replayed; for latent and hybrid ones half of a
# copy covers what 9,000 points drawn at random left open (`python -m oracle.holdout` in tests).
_COPIED_CACHE: Final = 2


def margin(
    memory: DeviceMemory, extra: Extra, copied_expert: int = 0, copied_cache: int = 0
) -> int:
    """Bytes to keep free beside ``memory``.

    ``copied_expert`` is the largest expert matrix on the host, ``copied_cache`` one layer's cache.
    """
    if not memory.total:
        return 0
    if memory.device == HOST:
        return extra.of(memory.compute)
    copied = _COPIED_EXPERTS * copied_expert + copied_cache // _COPIED_CACHE
    return extra.of(memory.compute) + copied


def extra(architecture: str, settings: ServerSettings, build: int) -> Extra:
    """What this kind of server needs beside its computed figures."""
    kind = _of_kind(settings)
    for item in WIDER:
        if item.architecture == architecture and build < item.until:
            wider = item.extra
            most = max(wider.absolute_bytes, kind.absolute_bytes)
            return Extra(max(wider.percent, kind.percent), most)
    return kind


def _of_kind(settings: ServerSettings) -> Extra:
    if len(settings.devices) > 1:
        return SEVERAL_DEVICES
    if settings.embedding:
        return EMBEDDING
    return ORDINARY if settings.kv_offload else HOST_CACHE
