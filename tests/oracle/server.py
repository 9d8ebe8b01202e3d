"""How llama-server turns its options into libllama's parameters.

Source: llama.cpp b11434, tools/server/server.cpp (slots, batch of embedding servers),
tools/server/server-context.cpp ``server_output_limits`` and common/common.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass

from llmgen.budget.settings import ServerSettings

GGML_TYPES = {
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30,
}  # fmt: skip
POOLING = {"": -1, "none": 0, "mean": 1, "cls": 2, "last": 3, "rank": 4}
FLASH_ATTN = {"auto": -1, "off": 0, "on": 1}
ROLLBACK_SPECS = ("draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark")
EXPERTS = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"


@dataclass(frozen=True)
class Parameters:
    """What one measurement needs: the model's and the context's fields, and what pointers hold."""

    devices: int
    tensor_split: str
    patterns: str
    model: dict[str, int]
    context: dict[str, int]


def parameters(settings: ServerSettings, *, mtp_context: bool = False) -> Parameters:
    """The parameters with which the server would load the model and make its context."""
    count = len(settings.devices)
    shares = settings.tensor_split or (1.0,) * count
    return Parameters(
        devices=count,
        tensor_split=",".join(f"{share:g}" for share in shares) if count > 1 else "",
        patterns=" ".join(_patterns(settings)),
        model=_model(settings),
        context=_context(settings, mtp_context),
    )


def _patterns(settings: ServerSettings) -> list[str]:
    own = [pattern for pattern, _ in settings.override_tensor]
    return own + [rf"blk\.{layer}{EXPERTS}" for layer in range(settings.n_cpu_moe)]


def _model(settings: ServerSettings) -> dict[str, int]:
    # As llama-fit-params measures: nothing allocated, hence nothing mapped; no repacked copies.
    return {
        "n_gpu_layers": settings.n_gpu_layers,
        "load_mode": 0,
        "use_mmap": 0,
        "use_extra_bufts": 0,
        "no_alloc": 1,
        "load_mtp": int(settings.draft is not None and settings.draft.spec_type == "draft-mtp"),
    }


def _context(settings: ServerSettings, mtp_context: bool) -> dict[str, int]:
    slots = 4 if settings.parallel < 0 else settings.parallel
    unified = settings.parallel < 0 or bool(settings.kv_unified)
    batch = (
        min(settings.batch_size, settings.ubatch_size)
        if settings.embedding
        else settings.batch_size
    )
    drafted = settings.draft.n_max if settings.draft else 0
    rollback = settings.draft is not None and settings.draft.spec_type in ROLLBACK_SPECS
    embeds = settings.embedding and not mtp_context
    pooled = "" if mtp_context else settings.pooling
    all_rows = embeds or pooled not in ("", "none")
    rows = batch if all_rows else min(batch, slots if mtp_context else slots * (1 + drafted))
    # An MTP head has the cache types of drafts, and hands no embeddings over (common_base_params_to_speculative).
    cache = settings.draft if mtp_context and settings.draft else settings
    return {
        "n_ctx": settings.ctx_size,
        "n_batch": batch,
        "n_ubatch": settings.ubatch_size,
        "n_seq_max": slots,
        "n_rs_seq": drafted if rollback and not mtp_context else 0,
        "n_outputs_max": rows,
        "n_outputs_max_per_seq": 1 if all_rows or mtp_context else min(batch, 1 + drafted),
        "ctx_type": int(mtp_context),
        "pooling_type": POOLING[pooled],
        "flash_attn_type": FLASH_ATTN[settings.flash_attn],
        "type_k": GGML_TYPES[cache.cache_type_k],
        "type_v": GGML_TYPES[cache.cache_type_v],
        "embeddings": int(embeds),
        "offload_kqv": int(settings.kv_offload),
        "op_offload": 1,
        "swa_full": int(settings.swa_full),
        "kv_unified": int(unified),
    }
