"""What was applied, as ConfigMaps in its namespace: whoever may install there may go back."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from llmgen.errors import Diagnostic, InputError
from llmgen.operate.kubectl.objects import GENERATION, OURS, is_object, labels
from llmgen.targets.kubernetes.names import COMPONENT, Object
from llmgen.units import MIB

# So many are kept, as of a machine's.
KEPT: Final = 10
NUMBER: Final = "llmgen.io/generation"
_REASON: Final = "llmgen.io/reason"
_PART: Final = "llmgen.io/part"
_DATA: Final = "objects.gz"
# An object may have 1 MiB; base64 makes four bytes of three.
_MOST_BYTES: Final = 700_000
_LARGEST: Final = 256 * MIB


class ClusterGeneration(Struct, frozen=True):
    """Objects that were applied; ``installed`` is when, by the cluster's clock."""

    number: int
    reason: str
    installed: str
    objects: tuple[Object, ...]


def recorded(number: int, reason: str, objects: Sequence[Object], namespace: str) -> list[Object]:
    """The ConfigMaps that record a generation."""
    text = json.dumps(objects, separators=(",", ":"), ensure_ascii=False).encode()
    packed = gzip.compress(text, mtime=0)
    pieces = [packed[at : at + _MOST_BYTES] for at in range(0, len(packed), _MOST_BYTES)]
    return [
        _config_map(number, reason, part, piece, namespace) for part, piece in enumerate(pieces)
    ]


def _config_map(number: int, reason: str, part: int, piece: bytes, namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": map_name(number, part),
            "namespace": namespace,
            "labels": {**OURS, COMPONENT: GENERATION, NUMBER: str(number)},
            "annotations": {_REASON: reason, _PART: str(part)},
        },
        "immutable": True,
        "binaryData": {_DATA: base64.b64encode(piece).decode()},
    }


def map_name(number: int, part: int) -> str:
    """What a part of a generation is called."""
    return f"llmgen-generation-{number}" + (f"-{part}" if part else "")


def generations(items: Iterable[Mapping[str, Any]]) -> list[ClusterGeneration]:
    """The generations that these ConfigMaps record, oldest first; damaged ones are left out."""
    told = (_generation(number, parts) for number, parts in sorted(_by_number(items).items()))
    return [item for item in told if item is not None]


def numbers(items: Iterable[Mapping[str, Any]]) -> list[int]:
    """The numbers of all that are there, whole or damaged."""
    return sorted(_by_number(items))


def _by_number(items: Iterable[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
    found: dict[int, list[Mapping[str, Any]]] = {}
    for item in items:
        number = str(labels(item).get(NUMBER, ""))
        if number.isdecimal() and len(number) < 10:
            found.setdefault(int(number), []).append(item)
    return found


def chosen(known: Sequence[ClusterGeneration], number: int | None) -> ClusterGeneration:
    """One generation: by number, or the one before the newest; InputError without it."""
    if number is None and len(known) > 1:
        return known[-2]
    for item in known:
        if item.number == number:
            return item
    there = ", ".join(str(item.number) for item in known)
    wanted = f"generation {number}" if number is not None else "earlier generation"
    raise InputError(
        Diagnostic(
            "kubernetes.no-generation",
            f"there is no {wanted} in this namespace",
            hint=f"there are {there}" if there else "`llmgen install` makes the first",
        )
    )


def _generation(number: int, parts: Sequence[Mapping[str, Any]]) -> ClusterGeneration | None:
    try:
        ordered = sorted(parts, key=lambda item: int(item["metadata"]["annotations"][_PART]))
        packed = b"".join(base64.b64decode(item["binaryData"][_DATA]) for item in ordered)
        # No record is larger than what it was made from may be.
        unpacking = zlib.decompressobj(wbits=31)
        text = unpacking.decompress(packed, _LARGEST)
        objects = json.loads(text) if unpacking.eof else None
        first = ordered[0]["metadata"]
        installed = str(first.get("creationTimestamp", ""))
        reason = str(first["annotations"].get(_REASON, ""))
    except (KeyError, TypeError, ValueError, RecursionError, zlib.error, binascii.Error):
        return None
    if not isinstance(objects, list) or not all(map(is_object, objects)):
        return None
    return ClusterGeneration(number, reason, installed, tuple(objects))
