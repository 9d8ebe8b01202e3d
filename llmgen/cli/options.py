"""Option values: names of files, and counts, shares, overrides as llama-server spells them."""

from __future__ import annotations

import re

import click

from llmgen.units import parse_size


class FileName(click.ParamType[str]):
    """A file or folder; an empty name (a shell variable that is not set) means neither."""

    name = "path"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same name; wrong usage when it is empty."""
        return value or self.fail("the name is empty", param, ctx)


class ServerCount(click.ParamType[int]):
    """A number of tokens, in digits or as ``64K``."""

    name = "count"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read the count; what is none is wrong usage."""
        try:
            return value if isinstance(value, int) else parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class LayerCount(click.ParamType[int]):
    """A number of layers, or ``all``; ``auto`` is all, too, without --fit."""

    name = "layers"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read the number; negative means all."""
        if value in ("auto", "all"):
            return -1
        try:
            return int(value)
        except ValueError:
            self.fail(f"`{value}` is neither a number nor `all`", param, ctx)


class DeviceShares(click.ParamType[tuple[float, ...]]):
    """Shares of devices, between commas or slashes, as ``--tensor-split`` takes them."""

    name = "shares"

    def convert(
        self,
        value: str | tuple[float, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[float, ...]:
        """Read the shares; what is none is wrong usage."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(share) for share in re.split(r"[,/]", value))
        except ValueError:
            self.fail(f"`{value}` is no list of numbers", param, ctx)


class Override(click.ParamType[tuple[tuple[str, str], ...]]):
    """``PATTERN=BUFFER``, several between commas, as ``--override-tensor`` takes them."""

    name = "override"

    def convert(
        self,
        value: str | tuple[tuple[str, str], ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[tuple[str, str], ...]:
        """Split at the first ``=`` of each part, as the server does."""
        if isinstance(value, tuple):
            return value
        pairs = [part.partition("=") for part in value.split(",")]
        if any(not separator or not target for _, separator, target in pairs):
            self.fail(f"`{value}` is not PATTERN=BUFFER", param, ctx)
        return tuple((pattern, target) for pattern, _, target in pairs)
