"""Which devices an imported file speaks of: their names as ours, and how many the machine has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from llmgen.config.variables import TablePath
from llmgen.errors import Diagnostic
from llmgen.importing.parts import Part, fault, lost

# What llama-server calls devices of a backend (`--list-devices`), and the variable that hides some.
_BACKENDS: Final = {"CUDA": "cuda", "ROCm": "rocm", "Vulkan": "vulkan", "MTL": "metal"}
_VISIBLE: Final = {
    "CUDA_VISIBLE_DEVICES": "cuda",
    "HIP_VISIBLE_DEVICES": "rocm",
    "ROCR_VISIBLE_DEVICES": "rocm",
    "GGML_VK_VISIBLE_DEVICES": "vulkan",
}
_NAME = re.compile(rf"({'|'.join(_BACKENDS)}|Metal)(\d*)", re.IGNORECASE)
_BUFFER = re.compile(rf"=({'|'.join(_BACKENDS)})(\d+)$")
# What images of llama.cpp are called by.
_IMAGES: Final = {"cuda": "cuda", "rocm": "rocm", "vulkan": "vulkan"}
_IMAGE = re.compile("|".join(_IMAGES))
_NUMBERS = re.compile(r"\s*\d+\s*(?:,\s*\d+\s*)*")


class DeviceNeeds(Struct, frozen=True):
    """How many devices a file needs at least, of which backend, and what it calls them."""

    count: int = 0
    backend: str = ""
    names: tuple[str, ...] = ()


def with_devices(part: Part) -> tuple[Part, DeviceNeeds]:
    """The part with devices under our names, and what the machine has to have."""
    found = _Seen()
    tables = {
        path: _table(path, keys, found)
        if path[0] in ("models", "defaults") and len(path) == 1 + (path[0] == "models")
        else keys
        for path, keys in part.tables.items()
    }
    backends = [backend for backend in found.backends if backend]
    needs = DeviceNeeds(
        found.count, backends[0] if backends else "", tuple(dict.fromkeys(found.names))
    )
    return Part(tables, (*part.faults, *found.faults)), needs


class _Seen:
    def __init__(self) -> None:
        self.count = 0
        self.names: list[str] = []
        self.backends: list[str] = []
        self.faults: list[Diagnostic] = []

    def device(self, name: str, backend: str, index: int) -> None:
        """Remember one device by what the file calls it."""
        self.names.append(name)
        self.backends.append(backend)
        self.count = max(self.count, index + 1)


def _table(path: TablePath, keys: Mapping[str, Any], seen: _Seen) -> dict[str, Any]:
    who = f"`{path[-1]}`"
    found = dict(keys)
    visible = _visible(found, who, seen)
    _devices(found, who, visible, seen)
    if isinstance(found.get("draft"), dict):
        found["draft"] = dict(found["draft"])
        _devices(found["draft"], f"the draft of {who}", visible, seen)
    if image := _IMAGE.search(str(found.get("container", {}).get("image", ""))):
        seen.backends.append(_IMAGES[image[0]])
        seen.names.append(str(found["container"]["image"]))
        seen.count = max(seen.count, 1)
    for pattern in found.get("override_tensor", ()):
        if match := _BUFFER.search(str(pattern)):
            seen.device(match[1] + match[2], _BACKENDS[match[1]], int(match[2]))
    shares = found.get("tensor_split")
    if isinstance(shares, list) and "device" not in found:
        # Shares are those of the first devices; of how many the machine has, the file says nothing.
        found["device"] = [_ours(index) for index in range(len(shares))]
        seen.count = max(seen.count, len(shares))
    if isinstance(main := found.get("main_gpu"), int) and "device" not in found:
        seen.count = max(seen.count, main + 1)
    return found


def _visible(keys: dict[str, Any], who: str, seen: _Seen) -> Sequence[int]:
    """Numbers of the devices that a process may see; they are taken out of its environment."""
    environment = dict(keys.get("environment", {}))
    numbers: list[int] = []
    for variable, backend in _VISIBLE.items():
        text = environment.get(variable)
        if not isinstance(text, str) or not text:
            continue
        if not _NUMBERS.fullmatch(text):
            seen.faults.append(
                fault(
                    "hidden-devices",
                    f"`{variable}={text}` of {who} hides devices from the plan",
                    'take it out, and write `device = ["gpu0"]`',
                )
            )
            continue
        numbers = [int(part) for part in text.split(",")]
        del environment[variable]
        for number in numbers:
            seen.device(f"{variable}={text}", backend, number)
    if "environment" in keys:
        keys["environment"] = environment
        if not environment:
            del keys["environment"]
    return numbers


def _devices(keys: dict[str, Any], who: str, visible: Sequence[int], seen: _Seen) -> None:
    named = keys.get("device")
    if isinstance(named, str) and named != "auto":
        named = named.split(",")
    if isinstance(named, list):
        found = [*_numbers(named, who, visible, seen)]
    elif visible and "draft" not in who:
        found = sorted(visible)
        if found != [*visible] and isinstance(shares := keys.get("tensor_split"), list):
            # Shares follow the order in which the process sees its devices.
            by_device = dict(zip(visible, shares, strict=False))
            keys["tensor_split"] = [by_device.get(number, 0.0) for number in found]
    else:
        return
    if found:
        keys["device"] = [_ours(number) for number in dict.fromkeys(found)]
    elif named:
        # An empty list stays: no device means the host.
        keys.pop("device", None)


def _numbers(named: Sequence[str], who: str, visible: Sequence[int], seen: _Seen) -> Iterator[int]:
    for name in named:
        match = _NAME.fullmatch(str(name).strip())
        if match is None:
            if not re.fullmatch(r"gpu\d+", str(name)):
                seen.faults.append(lost(f"`{name}` of {who}", "it is no device of this machine"))
                continue
            backend, index = "", int(str(name)[3:])
        else:
            kinds = {key.lower(): kind for key, kind in _BACKENDS.items()}
            backend, index = kinds.get(match[1].lower(), "metal"), int(match[2] or 0)
        if visible:
            index = visible[index] if index < len(visible) else index
        seen.device(str(name), backend, index)
        yield index


def _ours(number: int) -> str:
    return f"gpu{number}"
