"""Values of llama-server's options as values of llm.toml's keys, as its own parser reads them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel

from llmgen.config.tables.models import Draft, ModelTable
from llmgen.config.tables.sampling import Sampling
from llmgen.options import SAMPLERS
from llmgen.server_help import FALSEY, TRUTHY
from llmgen.units import parse_size

# Spellings that say that no layer stays on the host, whatever the model: more than any has.
ALL_LAYERS_FROM: Final = 99
_INT32 = range(-(2**31), 2**31)
_SEEDS: Final = 2**32
_INTEGER = re.compile(r"\s*([+-]?\d+)(.*)", re.DOTALL)
_NUMBER = re.compile(
    r"\s*([+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf(?:inity)?|nan))(.*)",
    re.DOTALL | re.IGNORECASE,
)


class Unusable(ValueError):
    """A value with which the server would not start, or that llm.toml cannot hold; why."""


def integer(text: str) -> int:
    """What `std::stoi` reads; Unusable where it reads nothing, or less than what stands there."""
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise Unusable("it is no whole number")
    if int(found[1]) not in _INT32:
        raise Unusable("it is too large for llama-server")
    _refuse_rest(text, found[1], found[2])
    return int(found[1])


def number(text: str) -> float:
    """What `std::stof` reads, in the same way; a whole number stays one."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise Unusable("it is no number")
    value = float(found[1])
    if not math.isfinite(value):
        raise Unusable("it is no finite number")
    _refuse_rest(text, found[1], found[2])
    return int(value) if re.fullmatch(r"[+-]?\d+", found[1]) else value


def _refuse_rest(text: str, read: str, rest: str) -> None:
    """Nobody who writes `32k` means 32, which is what the server reads."""
    if not rest.strip():
        return
    try:
        meant = f"; {parse_size(text)} was meant, perhaps"
    except ValueError:
        meant = ""
    raise Unusable(f"llama-server reads {read} and drops `{rest}`{meant}")


def csv(text: str) -> list[str]:
    """Parts between commas, quoted where they hold one (parse_csv_row in common/arg.cpp)."""
    parts, part, quoted, at = [], "", False, 0
    while at < len(text):
        letter = text[at]
        if letter == '"' and quoted and text[at + 1 : at + 2] == '"':
            part, at = part + '"', at + 1
        elif letter == '"' and (quoted or not part):
            quoted = not quoted
        elif letter == "," and not quoted:
            parts.append(part)
            part = ""
        else:
            part += letter
        at += 1
    return [*parts, part]


def value_of(key: str, flag: str, text: str) -> Any:  # noqa: ANN401 - any TOML value
    """The value of ``key`` that this text of the option means; Unusable with the reason."""
    reader = _BY_FLAG.get(flag) or _BY_KEY.get(key) or _by_type(key)
    return reader(text)


@cache
def _by_type(key: str) -> Callable[[str], Any]:
    kinds = _kinds(key)
    if float in kinds:
        return number
    return integer if int in kinds else _plain


def _kinds(key: str) -> set[type]:
    """The plain types that the key takes."""
    table, _, inner = key.rpartition(".")
    owners: dict[str, type[BaseModel]] = {"draft": Draft, "sampling": Sampling}
    field = owners.get(table, ModelTable).model_fields.get(inner)
    return _types(field.annotation) if field is not None else {str}


def _types(annotation: object) -> set[type]:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return {annotation}
    return {kind for part in get_args(annotation) for kind in _types(part)}


def _plain(text: str) -> str:
    if not text:
        raise Unusable("it is empty")
    return text


def _context(text: str) -> int | str:
    # 0 is what the model was trained with, and "max" at most that.
    return integer(text) or "max"


def _layers(text: str) -> int | str:
    if text in ("auto", "all"):
        return text
    count = integer(text)
    if count == -1:
        return "auto"
    return "all" if count < 0 or count >= ALL_LAYERS_FROM else count


def _draft_layers(text: str) -> int | str:
    found = _layers(text)
    return "all" if found == "auto" else found


def _attention(text: str) -> str:
    if text in TRUTHY:
        return "on"
    if text in FALSEY:
        return "off"
    if text in ("auto", "-1"):
        return "auto"
    raise Unusable("it is none of on, off, auto")


def _mebibytes(text: str) -> str:
    size = integer(text)
    if size < 0:
        raise Unusable("a cache without a limit cannot be planned")
    return f"{size}MiB"


def _shares(text: str) -> list[float]:
    return [number(part) for part in re.split(r"[,/]+", text)]


def _devices(text: str) -> list[str]:
    if text == "none":
        return []
    if "" in (parts := text.split(",")):
        raise Unusable("a name in it is empty")
    return parts


def _overrides(text: str) -> list[str]:
    parts = text.split(",")
    if any("=" not in part for part in parts):
        raise Unusable("it is not PATTERN=BUFFER")
    return parts


def _adapters(text: str) -> list[dict[str, Any]]:
    return [{"path": _plain(part)} for part in csv(text)]


def _scaled(text: str) -> list[dict[str, Any]]:
    found = []
    for part in csv(text):
        path, colon, scale = part.partition(":")
        if not colon or ":" in scale:
            raise Unusable("it is not FILE:SCALE")
        found.append({"path": _plain(path), "scale": number(scale)})
    return found


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _letters(text: str) -> list[str]:
    unknown = [letter for letter in text if letter not in SAMPLERS]
    if unknown or not text:
        raise Unusable(f"no sampler has the letter `{''.join(unknown)}`")
    return [SAMPLERS[letter] for letter in text]


def _samplers(text: str) -> list[str]:
    return [part for part in text.split(";") if part]


def _seed(text: str) -> int:
    # Unsigned, and cut to 32 bits; the largest of them stands for a random one.
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise Unusable("it is no whole number")
    _refuse_rest(text, found[1], found[2])
    seed = int(found[1]) % _SEEDS
    return -1 if seed == _SEEDS - 1 else seed


def _temperature(text: str) -> float:
    return max(number(text), 0)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unusable("it is no JSON") from error
    if not isinstance(found, dict):
        raise Unusable("it is no JSON object")
    if _holds_null(found):
        raise Unusable("it has a null, which TOML cannot hold")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _holds_null(value: object) -> bool:
    match value:
        case dict():
            return any(_holds_null(item) for item in value.values())
        case list():
            return any(_holds_null(item) for item in value)
        case _:
            return value is None


_BY_FLAG: Final[Mapping[str, Callable[[str], Any]]] = {
    "--lora": _adapters,
    "--lora-scaled": _scaled,
    "--sampler-seq": _letters,
}
_BY_KEY: Final[Mapping[str, Callable[[str], Any]]] = {
    "aliases": _names,
    "cache_ram": _mebibytes,
    "chat_template_kwargs": _object,
    "ctx_size": _context,
    "device": _devices,
    "draft.device": _devices,
    "draft.n_gpu_layers": _draft_layers,
    "flash_attn": _attention,
    "n_gpu_layers": _layers,
    "override_tensor": _overrides,
    "sampling.samplers": _samplers,
    "sampling.seed": _seed,
    "sampling.temp": _temperature,
    "tensor_split": _shares,
}
