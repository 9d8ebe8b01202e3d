"""Whether weights and one sequence fit into what a server reserves, and what would fit instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.reservation.attention import Attention, read_attention
from llmgen.reservation.cache import (
    bytes_per_token,
    cache_bytes,
    sglang_sequence,
    vllm_sequence,
)
from llmgen.reservation.checkpoint import NotComputedError, ReservationSettings, longest_trained
from llmgen.reservation.weights import weights
from llmgen.reservation.working_memory import batch, in_flight, sglang_working, vllm_working

# Shorter than this nobody wants a language model.
_SHORTEST: Final = 1024


class Feasibility(Struct, frozen=True):
    """One device of a server that reserves, in bytes; ``sequence`` is one of ``max_model_len``.

    ``reserved`` is what nobody else gets, ``budget`` what of it weights and cache may take,
    ``working`` an estimate of what the server needs besides, inside of the budget or beside it.
    ``longest`` is the longest ``max_model_len`` that fits with it, 0 when none does. Of a cache
    that is not computed ``unknown`` says why; ``sequence`` is 0 then, and only weights are judged.
    """

    reserved: int
    budget: int
    weights: int
    sequence: int
    working: int
    per_token: int
    max_model_len: int
    longest: int
    unknown: str = ""

    @property
    def fits(self) -> bool:
        """False: the server is sure not to start."""
        return self.weights + self.sequence <= self.budget

    @property
    def left(self) -> int:
        """Bytes for the cache once the weights are loaded, at most."""
        return self.budget - self.weights

    @property
    def is_tight(self) -> bool:
        """Whether it starts only if the server needs less besides than is estimated."""
        return self.fits and self.longest < self.max_model_len


class FeasibleChange(Struct, frozen=True):
    """A fraction and a length that were computed and fit."""

    fraction: float
    max_model_len: int


class Reserving(Struct, frozen=True):
    """How a server of one kind reserves a device."""

    key: str
    # None: the server decides when it starts, and takes the whole device.
    default: float | None
    # More of a device than this is rarely free.
    most: float
    # Whether what it needs besides is inside of its fraction.
    inside: bool
    working: Callable[[CheckpointFacts, ReservationSettings, int], int]
    # Bytes of one sequence: of its cache, an element's, its tokens, those of a step.
    sequence: Callable[[Attention, int, int, int], int]

    def reserved(
        self, facts: CheckpointFacts, settings: ReservationSettings, device: int, at: float
    ) -> int:
        """Bytes of a device that nobody else gets."""
        if self.inside:
            return ceil(device * at)
        return min(device, int(device * at) + self.working(facts, settings, device))


def _vllm_working(facts: CheckpointFacts, settings: ReservationSettings, device: int) -> int:
    return vllm_working(facts, settings, *batch(settings, device))


def _vllm_sequence(attention: Attention, element: int, length: int, step: int) -> int:
    return vllm_sequence(attention, element, length, in_flight(step))


def _sglang_sequence(attention: Attention, element: int, length: int, _: int) -> int:
    return sglang_sequence(attention, element, length)


RESERVING: Final[Mapping[str, Reserving]] = {
    # vllm/v1/worker/utils.py `request_memory`: ceil(total x fraction), activations and all; the
    # default is vllm/config/cache.py's.
    "vllm": Reserving("gpu_memory_utilization", 0.92, 0.97, True, _vllm_working, _vllm_sequence),
    # sglang/srt/mem_cache/kv_cache_configurator.py `_profile_available_bytes`: weights and cache
    # get free x fraction; activations and graphs live in the rest.
    "sglang": Reserving("mem_fraction_static", None, 0.9, False, sglang_working, _sglang_sequence),
}


def examine(
    server: Reserving,
    facts: CheckpointFacts,
    settings: ReservationSettings,
    device: int,
    fraction: float | None,
) -> Feasibility:
    """One device of ``device`` bytes; NotComputedError says why nothing can be said."""
    length = settings.max_model_len or longest_trained(facts)
    at = fraction if fraction is not None else server.default
    working = server.working(facts, settings, device)
    if at is None:
        # SGLang's own choice leaves room for its estimate of the rest.
        at = max(0.0, (device - working) / device)
        reserved = device
    else:
        reserved = server.reserved(facts, settings, device, at)
    budget = reserved if server.inside else int(device * at)
    loaded = weights(facts, settings).total
    room = budget - loaded - (working if server.inside else 0)

    step, _ = batch(settings, device)
    try:
        attention = read_attention(facts, settings.tensor_parallel_size)
        element = cache_bytes(facts, settings)
    except NotComputedError as error:
        longest = length if room >= 0 else 0
        return Feasibility(reserved, budget, loaded, 0, working, 0, length, longest, str(error))

    def sequence(tokens: int) -> int:
        return server.sequence(attention, element, tokens, step)

    return Feasibility(
        reserved=reserved,
        budget=budget,
        weights=loaded,
        sequence=sequence(length),
        working=working,
        per_token=bytes_per_token(attention, element),
        max_model_len=length,
        longest=_longest(sequence, room, max(length, longest_trained(facts))),
    )


def change(
    server: Reserving,
    facts: CheckpointFacts,
    settings: ReservationSettings,
    device: int,
    fraction: float | None,
    *,
    most: float = 1.0,
) -> FeasibleChange | None:
    """A fraction and a length that fit, the length kept where it can be.

    What the server needs besides is counted, and all that it reserves is at most ``most`` of the
    device. None where no length of use fits.
    """
    now = examine(server, facts, settings, device, fraction)
    besides = 0 if server.inside else now.working
    # In whole percent, downwards.
    highest = int(100 * min(server.most, most - besides / device) + 1e-9)
    for percent in range(ceil(100 * (fraction or 0.01)), highest + 1):
        found = examine(server, facts, settings, device, percent / 100)
        if found.longest >= now.max_model_len:
            return FeasibleChange(percent / 100, now.max_model_len)
    at = max(highest, 1) / 100
    if now.unknown:
        # No length is known to fit where no fraction was found.
        return None
    longest = examine(server, facts, settings, device, at).longest
    length = longest // _SHORTEST * _SHORTEST
    shorter = replace(settings, max_model_len=length)
    if not length or not examine(server, facts, shorter, device, at).fits:
        return None
    return FeasibleChange(at, length)


def _longest(sequence: Callable[[int], int], room: int, most: int) -> int:
    """The longest sequence that takes no more than ``room``, at most ``most`` tokens."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if sequence(middle) <= room:
            low = middle
        else:
            high = middle - 1
    return low
