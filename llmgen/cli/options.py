"""Option values: names of files, and counts, shares, overrides as llama-server spells them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import click

from llmgen.units import parse_size


class FileNameParam(click.ParamType[str]):
    """A file or folder; an empty name (a shell variable that is not set) means neither."""

    name = "path"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same name; wrong usage when it is empty."""
        return value or self.fail("the name is empty", param, ctx)


class ServerKey(click.ParamType[Any]):
    """A value of a key that sets a server option, with that key's own type and bounds.

    ``also`` are values that only the command line has, such as 0 for the trained context.
    """

    def __init__(self, key: str, *, also: Sequence[Any] = ()) -> None:
        """Take what llm.toml takes for this key of [models.NAME]."""
        self.name = "value"
        self._key = key
        self._also = also

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own
        """Read the value; what llm.toml would refuse is wrong usage."""
        found = self.read(value) if isinstance(value, str) else value
        if not isinstance(value, str) or found in self._also:
            return found
        try:
            return self.settled(_checked(self._key, found))
        except ValueError as error:
            # A plan settles these; here there is none.
            wanted = re.sub(r' or "(auto|max)"', "", str(error))
            self.fail(f"`{value}` must be {wanted}", param, ctx)

    def read(self, text: str) -> Any:  # noqa: ANN401 - any TOML value
        """The text as a TOML value: a number or a size where it is one, else text."""
        for kind in (int, float, parse_size):
            try:
                return kind(text)
            except ValueError:
                continue
        return text

    def settled(self, value: Any) -> Any:  # noqa: ANN401 - any TOML value
        """The key's value as ServerSettings has it."""
        if isinstance(value, str):
            raise ValueError("a number")  # noqa: TRY004 - wrong usage, as other values
        return value


class LayerCount(ServerKey):
    """A number of layers, or ``all``; ``auto`` is all, too, without --fit."""

    def settled(self, value: Any) -> int:  # noqa: ANN401 - any TOML value
        """Negative means all."""
        return value if isinstance(value, int) else -1


class DeviceShares(ServerKey):
    """Shares of devices, between commas or slashes, as ``--tensor-split`` takes them."""

    def read(self, text: str) -> Any:  # noqa: ANN401 - any TOML value
        """The shares as a list."""
        return [super(DeviceShares, self).read(share) for share in re.split(r"[,/]", text)]


class OverrideParam(ServerKey):
    """``PATTERN=BUFFER``, several between commas, as ``--override-tensor`` takes them."""

    def read(self, text: str) -> Any:  # noqa: ANN401 - any TOML value
        """The pairs as a list."""
        return text.split(",")

    def settled(self, value: Any) -> tuple[tuple[str, str], ...]:  # noqa: ANN401 - any TOML value
        """Split at the first ``=`` of each part, as the server does."""
        pairs = (part.partition("=") for part in value)
        return tuple((pattern, target) for pattern, _, target in pairs)


def _checked(key: str, value: Any) -> Any:  # noqa: ANN401 - any TOML value
    """The value as llm.toml types it; ValueError says what it must be."""
    from pydantic import ValidationError

    from llmgen.config.mistakes import expected
    from llmgen.config.tables.models import ServerOptions

    try:
        return getattr(ServerOptions.model_validate_json(json.dumps({key: value})), key)
    except ValidationError as error:
        raise ValueError(expected(error)) from None
