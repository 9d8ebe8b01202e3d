"""What a process of an engine takes from memory, and how that is known: the interface of engines.

An engine's ``claims(served, room)`` gives one Claim for the host and for each device that the
process uses, in bytes that include everything (weights, context, the driver's own share). A size
is never left out as 0: ``stated`` gives what llm.toml declares or what was measured, and engines
that reserve a part of a device put ``reserved`` claims beside it. What cannot work is an Unfit.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

from llmgen.units import show_size

HOST: Final = "host"
# A process that may have everything that models may use, so nothing is beside it.
ALL: Final = "all"
Stated = Mapping[str, int] | Literal["all"] | None


class Basis(StrEnum):
    """How the bytes of a footprint are known."""

    COMPUTED = "computed"
    RESERVED = "reserved"
    MEASURED = "measured"
    DECLARED = "declared"


class Room(Struct, frozen=True):
    """The machine as engines see it, in bytes.

    ``sizes`` is the whole memory of the host and of each device (``gpu0`` …), ``budgets`` what of
    it models may use. With ``unified`` memory the devices' are ceilings within the host's.
    """

    sizes: Mapping[str, int]
    budgets: Mapping[str, int]
    unified: bool = False

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices, in order."""
        return tuple(name for name in self.sizes if name != HOST)


class Claim(Struct, frozen=True):
    """Bytes of one process on one device; ``what`` says for people what they are."""

    device: str
    size_bytes: int
    basis: Basis
    what: str = ""


class Unfit(ValueError):
    """The engine would not start like that, or nobody says how much it takes."""

    def __init__(self, code: str, key: tuple[str, ...], message: str, hint: str) -> None:
        """Name the diagnostic, the key below the model's table, what is wrong, what would work."""
        super().__init__(message)
        self.code, self.key, self.message, self.hint = code, key, message, hint


def stated(
    declared: Stated, measured: Mapping[str, int], room: Room, *, reserved: tuple[str, ...] = ()
) -> tuple[Claim, ...]:
    """What llm.toml declares, else what was measured, on all devices but the ``reserved`` ones.

    Every process takes memory of the host, so the host's share has to be among them (with unified
    memory any device's is).
    """
    if declared == ALL:
        return _everything(room)
    if declared:
        found = tuple(Claim(key, size, Basis.DECLARED) for key, size in declared.items())
    else:
        found = tuple(
            Claim(key, size, Basis.MEASURED)
            for key, size in measured.items()
            if key not in reserved
        )
    _refuse_reserved(found, reserved)
    known = {item.device for item in found} | ({*reserved} if room.unified else set())
    if HOST not in known and not (room.unified and known):
        raise _missing(found, room, reserved)
    return found


def _everything(room: Room) -> tuple[Claim, ...]:
    """With unified memory the host's share is all of it."""
    names = (HOST,) if room.unified else (HOST, *room.devices)
    return tuple(
        Claim(name, room.budgets[name], Basis.DECLARED, "all that models may use") for name in names
    )


def _refuse_reserved(found: tuple[Claim, ...], reserved: tuple[str, ...]) -> None:
    for item in found:
        if item.device in reserved and item.basis is Basis.DECLARED:
            raise Unfit(
                "models.memory-reserved",
                ("memory", item.device),
                f"`memory` of `{item.device}` is what the engine reserves there itself",
                "leave it out: the reservation is what is planned",
            )


def _missing(found: tuple[Claim, ...], room: Room, reserved: tuple[str, ...]) -> Unfit:
    named = {item.device for item in found} | {*reserved}
    device = "" if named or not room.devices else f'{room.devices[0]} = "8GiB", '
    told = ", ".join(f'{item.device} = "{show_size(item.size_bytes)}"' for item in found)
    told = f"{told}, " if told else device
    of_host = " of the host" if named else ""
    return Unfit(
        "models.memory-missing",
        ("memory",),
        f"nobody says how much memory{of_host} it takes",
        f'`memory = {{ {told}host = "2GiB" }}`, or `memory = "all"`, beside which nothing fits; '
        "`llmgen measure` finds out",
    )
