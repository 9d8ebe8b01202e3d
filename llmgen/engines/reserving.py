"""What vLLM and SGLang reserve of a device, and whether the model's weights leave room in it."""

from __future__ import annotations

from math import ceil

from msgspec import Struct

from llmgen.engines.base import Served
from llmgen.engines.memory import Basis, Claim, Room, Unfit
from llmgen.reservation.checkpoint import NotComputedError, ReservationSettings
from llmgen.reservation.feasibility import Feasibility, FeasibleChange, Reserving, change, examine
from llmgen.units import show_count, show_size


class Reservation(Struct, frozen=True):
    """A model's reservation on each of its devices; ``length_key`` is the engine's context key."""

    server: Reserving
    served: Served
    settings: ReservationSettings
    fraction: float
    length_key: str

    def claim(self, room: Room, key: str) -> Claim:
        """The claim on one device; Unfit where weights and one sequence are sure not to fit.

        Without facts of the checkpoint, or of a kind that is not computed, only the reservation is
        known; of SGLang's, which is not all that it takes, not even that.
        """
        size, part = room.sizes[key], f"{self.fraction:g} of the device"
        found = self._examined(size)
        if found is None:
            known = ceil(self.fraction * size) if self.server.inside else room.budgets[key]
            return Claim(key, known, Basis.RESERVED, part)
        if not found.fits:
            raise self._unfit(room, key, found)
        left = f"{show_size(found.weights)} weights, {show_size(found.left)} left for the cache"
        # SGLang's activations and graphs come beside its fraction.
        return Claim(key, min(found.reserved, size), Basis.RESERVED, f"{part}: {left}")

    def _examined(self, size: int) -> Feasibility | None:
        if self.served.checkpoint is None:
            return None
        try:
            return examine(self.server, self.served.checkpoint, self.settings, size, self.fraction)
        except NotComputedError:
            return None

    def _other(self, room: Room, key: str) -> FeasibleChange | None:
        if self.served.checkpoint is None:
            return None
        size = room.sizes[key]
        return change(
            self.server,
            self.served.checkpoint,
            self.settings,
            size,
            self.fraction,
            most=room.budgets[key] / size,
        )

    def _unfit(self, room: Room, key: str, found: Feasibility) -> Unfit:
        length = show_count(found.max_model_len)
        message = (
            f"{self.fraction:g} of `{key}` are {show_size(found.budget)}; its weights take "
            f"{show_size(found.weights)} there"
        )
        if not found.unknown:
            message += f", one sequence of {length} tokens {show_size(found.sequence)}"
        keys = (self.server.key, self.length_key)
        place = next(((name,) for name in keys if self.served.get(name) is not None), ())
        hint = self._hint(self._other(room, key), found)
        return Unfit("models.reservation-too-small", place, message, hint)

    def _hint(self, other: FeasibleChange | None, found: Feasibility) -> str:
        if other is None:
            return "more devices for each layer, a smaller quantisation, or another model"
        part = f"`{self.server.key} = {other.fraction:g}`"
        if other.max_model_len == found.max_model_len:
            return f"{part} fits"
        return f"{part} with `{self.length_key} = {other.max_model_len}` fits"
