"""What every table of llm.toml shares: strictness, sizes, durations, secrets by reference."""

import re
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from llmgen.units import parse_duration, parse_size


class Table(BaseModel):
    """A table of llm.toml: frozen, strict, no unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        # The whole file is validated as one Config; tables alone need no validator of their own.
        defer_build=True,
        # Keys are not looked through for words that pydantic itself has.
        protected_namespaces=(),
    )

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Itself, since it is frozen; pydantic copies every default each time it validates."""
        return self


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _single_precision(value: float) -> float:
    if 0 < abs(value) < LEAST_FLOAT32:
        raise ValueError(f"`{value}` is not a number of single precision")
    return value


_SIZE = r"^\s*\d+(\.\d+)?\s*[kKmMgGtT]?[iI]?[bB]?\s*$"
_DURATION = r"^\s*\d+\s*(s|m|min|h|d)?\s*$"
_SIZE_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _SIZE}]}
_DURATION_SCHEMA = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _DURATION}]
}

# How the mark begins that stands for a secret in a generated file. In llm.toml it would be filled
# with that secret as well, wherever the text goes.
PLACEHOLDER: Final = "@llmgen:"

# Variables whose value is a secret, as far as names tell.
SECRET_NAME: Final = re.compile(
    r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSPHRASE|CREDENTIALS?)$", re.IGNORECASE
)

# The servers' own integers have 32 bits, sizes 64.
INT32, INT64 = 2**31 - 1, 2**63 - 1
Count: TypeAlias = Annotated[int, Field(le=INT32)]
# Their numbers have 24 bits and an exponent of 8: with smaller or larger ones the server stops.
FLOAT32, LEAST_FLOAT32 = 2.0**128 - 2.0**104, 2.0**-126
SINGLE: Final = AfterValidator(_single_precision)
Number: TypeAlias = Annotated[float, Field(ge=-FLOAT32, le=FLOAT32), SINGLE]
NonNegative: TypeAlias = Annotated[float, Field(ge=0, le=FLOAT32), SINGLE]
Positive: TypeAlias = Annotated[float, Field(gt=0, le=FLOAT32), SINGLE]
Probability: TypeAlias = Annotated[float, Field(ge=0, le=1), SINGLE]
# Bytes: 1073741824, "1GiB", "96 GB".
Size: TypeAlias = Annotated[
    int, Field(ge=0, le=INT64), BeforeValidator(_size), WithJsonSchema(_SIZE_SCHEMA)
]
# The same for an option that counts MiB.
Mebibytes: TypeAlias = Annotated[
    int,
    Field(ge=0, le=INT32 * 2**20),
    BeforeValidator(_size),
    WithJsonSchema(_SIZE_SCHEMA),
]
# Tokens: 65536, "64K".
Tokens: TypeAlias = Annotated[
    int, Field(ge=1, le=INT32), BeforeValidator(_size), WithJsonSchema(_SIZE_SCHEMA)
]
# Seconds: 300, "5m".
Seconds: TypeAlias = Annotated[
    int, Field(ge=0, le=INT32), BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)
]
# llama-server does not start with 0; -1 is never.
Sleep: TypeAlias = Annotated[Count, Field(ge=1)] | Literal[-1]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$"
# The beginning of a name: the whole is judged as a name, too.
PREFIX = r"^([A-Za-z0-9][A-Za-z0-9._:/-]{0,31})?$"
_FILE_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENVIRONMENT = rf"^{ENVIRONMENT_NAME.pattern}$"
# Beside controls: what no XML and no YAML can hold (property lists, llama-swap).
_CHARACTER = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]"
_LINE, TEXT = rf"^{_CHARACTER}*$", rf"^{_CHARACTER}+$"
# At least one character that is not a space.
_REASON = rf"^ *[^\x00- \x7f-\x9f\u2028\u2029\ufffe\uffff]{_CHARACTER}*$"
_PORT = r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_HOST = r"(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)"
_HOST_PORT = rf"^{_HOST}:{_PORT}$"
_URL = rf"^https?://{_HOST}(?::{_PORT})?(?:/[A-Za-z0-9._~/-]*)?$"
# Two colons at least make an IPv6 address; one would be a port.
_IPV6 = r"[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*"
_ADDRESS = rf"^(?:[0-9A-Za-z][0-9A-Za-z.-]*|{_IPV6}|\[{_IPV6}\])$"
# No option, no blank, no control character, nothing that a shell reads: ~/.ssh/config may hand both
# to one (ProxyCommand).
SSH_USER: Final = r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}"
SSH_HOST: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}"
_DESTINATION = rf"^(?:{SSH_USER}@)?(?:{SSH_HOST}|{_IPV6}(?:%[A-Za-z0-9_.-]{{1,15}})?)$"
_ORIGIN = r"^(\*|https?://[A-Za-z0-9.:\[\]*-]+)$"
# `rpc:HOST/gpu0` is a device of another machine.
_DEVICE = r"^(?:rpc:[a-z0-9][a-z0-9._-]{0,63}/)?[0-9A-Za-z._:\[\]-]*$"
# llama-server separates pairs with commas.
_OVERRIDE = r"^[^\x00-\x20,=\x7f-\x9f\u2028\u2029\ufffe\uffff]+=[0-9A-Za-z._:\[\]-]+$"
# Options in which versions differ: their word is handed over as it is written.
_WORD = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"
# A path that is asked, and an address with llama-swap's port.
_CHECK = r"^(?:/[^\x00-\x20\x7f]*|none)$"
# A path alone: what answers there is asked without words of its own.
_HEALTH = r"^/[^\x00-\x20\x7f?#$]*$"
_MAC = r"^[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}$"
_PROXY = rf"^https?://{_HOST}(?::(?:\$\{{PORT\}}|{_PORT}))?(?:/[A-Za-z0-9._~/-]*)?$"
# An image as docker and podman read it: registry, path in small letters, tag, digest
# (distribution/reference, its regexp.go).
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REGISTRY = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?"
_TAG = r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
IMAGE_NAME = rf"^(?:{_REGISTRY}/)?{_PART}(?:/{_PART})*{_TAG}$"
# Numbers: names would be looked up within each image.
_OWNER = r"^[0-9]{1,9}:[0-9]{1,9}$"
_RELEASE = r"^[0-9]{1,2}\.[0-9]{1,2}$"
_SHA256 = r"^(?:sha256:)?[0-9a-f]{64}$"
_CMAKE = r"^[A-Z][A-Z0-9_]*$"
# Names of Kubernetes: a label of RFC 1123 that begins with a letter, domains of them, labels.
CLUSTER_NAME = r"^[a-z](?:[a-z0-9-]{0,51}[a-z0-9])?$"
_DOMAIN = r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$"
_LABEL_VALUE = r"^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"
_LABEL_DOMAIN = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_LABEL_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_LABEL_KEY = rf"^(?:{_LABEL_DOMAIN}/)?{_LABEL_NAME}$"
# A resource without a domain is Kubernetes' own (`cpu`, `memory`), and no device. A quota has
# `requests.` before it, and its domain is no longer than others.
_RESOURCE = rf"^[a-z0-9](?:[a-z0-9.-]{{0,242}}[a-z0-9])?/{_LABEL_NAME}$"

MODEL_NAME = re.compile(_NAME)
# What a text must be like, in words, for whoever wrote another one.
FORMS: Final = {
    _NAME: "a model name: at most 128 letters, digits and . _ : / -, without spaces",
    PREFIX: "the beginning of model names, of at most 32 letters, digits and . _ : / -",
    _FILE_NAME: "lower-case letters, digits and . _ -, at most 64",
    _ENVIRONMENT: "the name of an environment variable",
    _LINE: "one line without control characters",
    TEXT: "one line of text, not empty",
    _REASON: "one line of text, not empty",
    _HOST_PORT: "`HOST:PORT`",
    _URL: "a URL like `http://127.0.0.1:8080`, without user or query",
    _ADDRESS: "an address like `127.0.0.1`, without a port",
    _DESTINATION: "HOST or USER@HOST, as `ssh` takes them",
    _ORIGIN: "`*` or an origin like `https://example.org`",
    _OVERRIDE: "`PATTERN=BUFFER`, without spaces and commas",
    _WORD: "one word: letters, digits and . _ / -",
    _CHECK: "a path like `/health`, or `none`",
    _HEALTH: "a path like `/health`",
    _MAC: "the address of a network card, like `aa:bb:cc:dd:ee:ff`",
    _PROXY: "a URL like `http://127.0.0.1:${PORT}`",
    IMAGE_NAME: "the name of an image like `ghcr.io/ggml-org/llama.cpp:server-cuda`",
    _OWNER: "a user and a group as numbers, like `1000:1000`",
    _RELEASE: 'a version of two numbers like "5.4", nothing before or after them',
    _SHA256: "a SHA-256, as `sha256sum` prints it",
    CLUSTER_NAME: "small letters, digits and `-`, a letter first, at most 53",
    _DOMAIN: "a name of Kubernetes: small letters, digits, `-` and `.`",
    _LABEL_VALUE: "the value of a label: letters, digits and . _ -, at most 63",
    _LABEL_KEY: "the key of a label, like `gpu` or `example.org/gpu`",
    _RESOURCE: "the name of a resource, like `nvidia.com/gpu`",
    _CMAKE: "the name of an option of CMake like `GGML_CUDA`",
    _DEVICE: "a device name as `llama-server --list-devices` prints it",
    _SIZE: 'a size like "64K" or "1.5GiB"',
    _DURATION: 'a time like "90s", "5m" or "1h"',
}

# What clients send as `model`: no spaces, quotes, control characters or `${`.
ModelName: TypeAlias = Annotated[str, Field(pattern=_NAME)]
# Names that become parts of file, unit and label names.
FileName: TypeAlias = Annotated[str, Field(pattern=_FILE_NAME)]
EnvironmentName: TypeAlias = Annotated[str, Field(pattern=_ENVIRONMENT)]
# One line of text: what would break a generated line is refused here, once.
Line: TypeAlias = Annotated[str, Field(pattern=_LINE)]
# The same, where an empty text says nothing.
Text: TypeAlias = Annotated[str, Field(pattern=TEXT)]
ReasonText: TypeAlias = Annotated[str, Field(pattern=_REASON)]
HostPort: TypeAlias = Annotated[str, Field(pattern=_HOST_PORT)]
Url: TypeAlias = Annotated[str, Field(pattern=_URL)]
Address: TypeAlias = Annotated[str, Field(pattern=_ADDRESS)]
SshDestination: TypeAlias = Annotated[str, Field(pattern=_DESTINATION)]
Origin: TypeAlias = Annotated[str, Field(pattern=_ORIGIN)]
Override: TypeAlias = Annotated[str, Field(pattern=_OVERRIDE)]
Word: TypeAlias = Annotated[str, Field(pattern=_WORD)]
HealthPath: TypeAlias = Annotated[str, Field(pattern=_HEALTH)]
Mac: TypeAlias = Annotated[str, Field(pattern=_MAC)]
CheckPath: TypeAlias = Annotated[str, Field(pattern=_CHECK)]
ProxyUrl: TypeAlias = Annotated[str, Field(pattern=_PROXY)]
ImageName: TypeAlias = Annotated[str, Field(pattern=IMAGE_NAME)]
FileOwner: TypeAlias = Annotated[str, Field(pattern=_OWNER)]
Release: TypeAlias = Annotated[str, Field(pattern=_RELEASE)]
Digest: TypeAlias = Annotated[str, Field(pattern=_SHA256)]
ClusterName: TypeAlias = Annotated[str, Field(pattern=CLUSTER_NAME)]
Domain: TypeAlias = Annotated[str, Field(pattern=_DOMAIN, max_length=253)]
# A Secret, from whose name those of others are made.
SecretName: TypeAlias = Annotated[str, Field(pattern=_DOMAIN, max_length=180)]
LabelKey: TypeAlias = Annotated[str, Field(pattern=_LABEL_KEY)]
ResourceName: TypeAlias = Annotated[str, Field(pattern=_RESOURCE)]
LabelValue: TypeAlias = Annotated[str, Field(pattern=_LABEL_VALUE)]
CmakeName: TypeAlias = Annotated[str, Field(pattern=_CMAKE)]
DeviceName: TypeAlias = Annotated[str, Field(pattern=_DEVICE)]
# How much a program says; each has a word or number of its own for it.
LogLevel = Literal["error", "warn", "info", "debug"]


# The error where a secret itself stands instead: its line is shown without it.
SECRET_AS_TEXT: Final = "config.secret-as-text"  # noqa: S105  a code, no password


class Secret(Table):
    """Where a secret is to be found; its value never stands in a file that llmgen writes."""

    env: EnvironmentName | None = None
    """Name of an environment variable that holds it."""
    file: Text | None = None
    """Path of a file whose first line it is."""
    credential: FileName | None = None
    """Name of a systemd credential (LoadCredential=)."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(item is not None for item in (self.env, self.file, self.credential)) != 1:
            raise ValueError("a secret is exactly one of `env`, `file`, `credential`")
        return self
