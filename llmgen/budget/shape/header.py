"""Typed access to a header's values; a value that the server could not load is refused."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from llmgen.budget.settings import SettingRefused
from llmgen.facts.gguf_facts import HeaderValue

# LLAMA_MAX_LAYERS in src/llama-hparams.h: more is refused by the loader.
MOST_LAYERS = 512
# Sizes beyond this overflow the server's 32-bit fields.
_LARGEST = 2**32


class Header(Struct, frozen=True):
    """The values of one header, the architecture prefix stripped."""

    values: Mapping[str, HeaderValue]

    def __contains__(self, key: str) -> bool:
        """Whether the header has ``key``."""
        return key in self.values

    def count(self, key: str, default: int = 0) -> int:
        """A whole number that is not negative; for a list, its first element."""
        value = self.values.get(key)
        if isinstance(value, tuple):
            value = value[0] if value else None
        return default if value is None else _number(key, value)

    def needed(self, key: str) -> int:
        """A whole number without which the model cannot be loaded."""
        if key not in self.values:
            raise SettingRefused("model", f"the header of this model has no `{key}`")
        return self.count(key)

    def most(self, key: str) -> int:
        """The largest element of a list, or the number itself."""
        return max(self.listed(key) or (self.count(key),))

    def listed(self, key: str) -> tuple[int, ...]:
        """The elements of a list; empty when the header has none."""
        value = self.values.get(key)
        if not isinstance(value, tuple):
            return ()
        return tuple(_number(key, item) for item in value)

    def layered(self, key: str, layers: int, default: int = 0) -> tuple[int, ...]:
        """One number for each layer, from a list or from one number for all."""
        found = self.listed(key)
        if not found:
            return (self.count(key, default),) * layers
        if len(found) < layers:
            message = f"`{key}` has {len(found)} elements for {layers} layers"
            raise SettingRefused("model", message)
        return found[:layers]


def _number(key: str, value: object) -> int:
    # The loader takes no float where it wants a whole number (gguf_get_val_u32's type check).
    if not isinstance(value, int) or not 0 <= value < _LARGEST:
        raise SettingRefused("model", f"`{key}` is {value!r}, which is no size")
    return int(value)
