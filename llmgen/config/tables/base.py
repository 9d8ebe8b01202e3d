"""What every table of llm.toml shares: strictness, sizes, durations, secrets by reference."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from llmgen.units import parse_duration, parse_size


class Table(BaseModel):
    """A table of llm.toml: frozen, strict, no unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        # The whole file is validated as one Config; tables alone need no validator of their own.
        defer_build=True,
    )


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


_SIZE_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[kKmMgGtT]?[iI]?[bB]?\s*$"},
    ]
}
_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\d+\s*(s|m|min|h|d)?\s*$"},
    ]
}

# Bytes: 1073741824, "1GiB", "96 GB".
Size: TypeAlias = Annotated[int, Field(ge=0), BeforeValidator(_size), WithJsonSchema(_SIZE_SCHEMA)]
# Tokens: 65536, "64K".
Tokens: TypeAlias = Annotated[
    int, Field(ge=1), BeforeValidator(_size), WithJsonSchema(_SIZE_SCHEMA)
]
# Seconds: 300, "5m".
Seconds: TypeAlias = Annotated[
    int, Field(ge=0), BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)
]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$"
# What clients send as `model`: no spaces, quotes, control characters or `${`.
ModelName: TypeAlias = Annotated[str, Field(pattern=_NAME)]
# Names that become parts of file, unit and label names.
FileName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
EnvironmentName: TypeAlias = Annotated[str, Field(pattern=rf"^{ENVIRONMENT_NAME.pattern}$")]
# One line of text: what would break a generated line is refused here, once.
Line: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f\u0085\u2028\u2029]*$")]


class Secret(Table):
    """Where a secret is to be found; its value never stands in a file that llmgen writes."""

    env: EnvironmentName | None = None
    """Name of an environment variable that holds it."""
    file: Line | None = None
    """Path of a file whose first line it is."""
    credential: FileName | None = None
    """Name of a systemd credential (LoadCredential=)."""

    @model_validator(mode="after")
    def _one(self) -> Secret:
        if sum(item is not None for item in (self.env, self.file, self.credential)) != 1:
            raise ValueError("a secret is exactly one of `env`, `file`, `credential`")
        return self
