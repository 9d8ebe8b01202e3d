"""Which layer runs on which device, as the server assigns them (``load_tensors``)."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from llmgen.budget.memory import HOST
from llmgen.budget.settings import ServerSettings, SettingRefused

# Far above where 32 bits end.
SMALLEST_SHARE = 1e-6


class LayerPlacement(Struct, frozen=True, cache_hash=True):
    """The device of each layer and of the output, which counts as one more layer."""

    layers: tuple[str, ...]
    output: str
    devices: tuple[str, ...]

    def of(self, layer: int) -> str:
        """The device of a layer; layers that exist only in the graph follow the last one."""
        return self.layers[min(layer, len(self.layers) - 1)]

    def count(self, layers: Sequence[int]) -> Mapping[str, int]:
        """How many of ``layers`` each device has."""
        if self.layers.count(self.layers[0]) == len(self.layers):
            return {self.layers[0]: len(layers)} if layers else {}
        return Counter(map(self.of, layers))

    @property
    def is_full(self) -> bool:
        """Whether every layer and the output left the host."""
        return HOST not in self.layers and self.output != HOST


def place_layers(blocks: int, settings: ServerSettings) -> LayerPlacement:
    """Fill devices in order by their share; what is not offloaded is at the front, on the host."""
    devices = settings.devices
    count = offloaded(blocks, settings.n_gpu_layers) if devices else 0
    first = blocks + 1 - count
    splits = _splits(settings) if devices else []

    def device(layer: int) -> str:
        if layer < first:
            return HOST
        share = _single((layer - first) / count)
        return devices[min(bisect_right(splits, share), len(devices) - 1)]

    layers = tuple(device(layer) for layer in range(blocks + 1))
    return LayerPlacement(layers[:-1], layers[-1], devices)


def offloaded(blocks: int, asked: int) -> int:
    """How many layers leave the host, the output counted as one."""
    return blocks + 1 if asked < 0 else min(asked, blocks + 1)


def layer_shares(count: int, room: Sequence[int]) -> tuple[int, ...]:
    """Whole layers for each device in proportion to its room, by largest remainder.

    The server reads such shares exactly: k of n layers are a device's if k/n is below a/n, which
    32 bits round alike on both sides.
    """
    free = [max(0, part) for part in room]
    if not any(free):
        free = [1] * len(room)
    total = sum(free)
    found = [count * part // total for part in free]
    by_remainder = sorted(range(len(free)), key=lambda at: -(count * free[at] % total))
    for at in by_remainder[: count - sum(found)]:
        found[at] += 1
    return tuple(found)


def _splits(settings: ServerSettings) -> list[float]:
    """Cumulative shares; without any, those of devices that have equal memory free."""
    count = len(settings.devices)
    shares = settings.tensor_split
    if len(shares) > count or any(share < 0 for share in shares):
        message = f"`tensor_split` has {len(shares)} shares for {count} devices"
        hint = "give each device one share that is not negative"
        raise SettingRefused("tensor_split", message, hint)
    if any(0 < share < SMALLEST_SHARE for share in shares):
        message = f"`tensor_split` has a share below {SMALLEST_SHARE:f}, which is none in 32 bits"
        raise SettingRefused("tensor_split", message, "use numbers of layers, or 0 for none")
    if not any(shares):
        shares = (1.0,) * count
    total, sums = 0.0, []
    for share in (*shares, *(0.0,) * (count - len(shares))):
        total = _single(total + _single(share))
        sums.append(total)
    return [_single(part / total) for part in sums]


def _single(value: float) -> float:
    """The server computes shares in 32 bits, which decides ties between devices."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded
