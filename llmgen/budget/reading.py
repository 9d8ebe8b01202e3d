"""What a server reads for each token that it generates: the bytes that its speed is bound by."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from llmgen.budget.builds import DEFAULT
from llmgen.budget.context import context
from llmgen.budget.held.weights import EMBEDDING, EXPERTS
from llmgen.budget.settings import ServerSettings
from llmgen.facts.gguf_facts import GgufFacts


class Reading(Struct, frozen=True):
    """Bytes by device: weights for each token, and the cache when a slot's context is full."""

    weights: Mapping[str, int]
    cache: Mapping[str, int]


def reading(facts: GgufFacts, settings: ServerSettings, build: int = DEFAULT) -> Reading:
    """One token of one request; of the experts those that it uses, of the embedding one row.

    Every other weight is read once for a token, and of the cache everything that is filled: with
    all slots at work the weights are shared between them, which this does not count.
    """
    main = context(facts, settings, build)
    header = main.model.header
    experts = header.count("expert_count")
    used = header.count("expert_used_count")
    weights = {
        device: sum(kinds.values())
        - kinds[EMBEDDING]
        - (kinds[EXPERTS] * (experts - used) // experts if experts else 0)
        for device, kinds in main.weights.on.items()
    }
    slots = max(1, main.counts.context // main.counts.cells) if main.counts.cells else 1
    cache = main.cache_on_devices()
    return Reading(weights, {device: size // slots for device, size in cache.items()})
