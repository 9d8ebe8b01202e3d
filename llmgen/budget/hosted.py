"""Layers of a device whose experts stay on the host.

What the host's experts give comes back as an input of the next split (``ggml-backend.cpp``), in a
hole of its own size. A graph that meets its attention mask after such a hole puts the mask behind
it, so what does not fit into the hole comes on top (best fit in ``ggml-alloc.c``).
"""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.budget.architectures import State
from llmgen.budget.graphs import FOUR_POSITIONS
from llmgen.budget.rows import F32
from llmgen.budget.work import Stage, Work


def hosted_experts(work: Work, base: int, output: int) -> Iterator[Stage]:
    """``output`` is the elements of each token that the host gives back."""
    returned = output * work.column
    yield Stage("experts", base + returned)
    if shared := shared_expert(work):
        yield Stage("shared expert", base + work.stream + 3 * shared * work.column)
    model = work.model
    late = any(model.recurrent) and work.mask > 0
    if model.mla and (late or not work.mixed):
        yield Stage("latent attention", base + returned + _latent_beside_hole(work, returned))
    elif late:
        yield Stage("recurrent state", base + returned + work.stream + _beside_hole(work, returned))
        if not work.mixed and model.name not in FOUR_POSITIONS:
            # Positions of a single column leave the hole one column too small for the next layer.
            yield Stage("experts", base + 2 * returned)


def shared_expert(work: Work) -> int:
    """How wide it is: Llama 4's as any of its experts, others as so many of them together."""
    header = work.model.header
    if work.model.name == "llama4":
        return header.most("expert_feed_forward_length")
    together = header.count("expert_shared_count") * header.most("expert_feed_forward_length")
    return header.most("expert_shared_feed_forward_length") or together


def _latent_beside_hole(work: Work, returned: int) -> int:
    """Both parts of the query joined, and the absorbed one if it does not fit beside the query."""
    model = work.model
    column = max(model.heads) * work.column
    query = model.header.count("attention.key_length_mla") * column
    absorbed = model.header.count("attention.kv_lora_rank", 512) * column
    joined = model.key_length * column
    return joined if query + absorbed <= returned else joined + absorbed


def _beside_hole(work: Work, returned: int) -> int:
    """The rows that a scan gives with its states, or a convolution that does not fit in."""
    model = work.model
    if model.rules.state is not State.SSM:
        return 0
    inner, groups = model.header.count("ssm.inner_size"), model.header.count("ssm.group_count")
    scan = inner * work.column + F32 * model.rows.state * work.counts.slots
    convolved = (inner + 2 * groups * model.header.count("ssm.state_size")) * work.column
    return max(scan, convolved if 2 * convolved >= returned else 0)
