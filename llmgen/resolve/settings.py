"""From llama-server options to memory settings: defaults, sizes that follow from each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from llmgen.budget.settings import DraftSettings, ServerSettings
from llmgen.config.editions import Edition
from llmgen.config.tables.base import INT32
from llmgen.config.tables.models import Defaults, ModelTable, ServerOptions
from llmgen.config.tables.sampling import Sampling
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.library import Open
from llmgen.machine import Machine

# n_cpu_moe counts layers from the first; more layers than any model has means all of them.
ALL_LAYERS = 999
T = TypeVar("T", ServerOptions, Sampling)


def options(
    edition: Edition, defaults: Defaults, table: ModelTable, machine: Machine
) -> ServerOptions:
    """The edition's defaults, under the machine's, under [defaults], under the model's own keys."""
    known = dict(machine.options) if edition.profile_options else {}
    base = ServerOptions.model_construct(
        **{**edition.options(table.role), **known}, threads=machine.threads or None
    )
    found = over(ServerOptions, over(ServerOptions, base, defaults), table)
    if is_named(found.chat_template or "") and table.jinja is None and defaults.jinja is None:
        return found.model_copy(update={"jinja": False})
    return found


def is_named(template: str) -> bool:
    """Whether a chat template is a built-in one, which the server looks up without jinja alone.

    With jinja, it takes every text but `chatml` for the template itself: each prompt would be the
    name (common_chat_templates_init in common/chat.cpp).
    """
    return bool(template) and template != "chatml" and "{" not in template


def over(kind: type[T], below: T, above: T) -> T:
    """``below`` with every key that ``above`` sets."""
    values = {key: getattr(below, key) for key in kind.model_fields}
    values |= {key: item for key in kind.model_fields if (item := getattr(above, key)) is not None}
    return kind.model_construct(**values)


def left_open(chosen: ServerOptions, machine: Machine) -> Open:
    """What the planner must settle; of devices nothing where there are none."""
    return Open(
        ctx_size=chosen.ctx_size == "max",
        n_gpu_layers=chosen.n_gpu_layers == "auto",
        n_cpu_moe=chosen.n_cpu_moe == "auto",
        device=chosen.device == "auto" and bool(machine.devices),
        tensor_split=chosen.tensor_split == "auto" and chosen.split_mode != "none",
        cache_type_k=chosen.cache_type_k if isinstance(chosen.cache_type_k, tuple) else (),
        cache_type_v=chosen.cache_type_v if isinstance(chosen.cache_type_v, tuple) else (),
    )


def settings(
    table: ModelTable, chosen: ServerOptions, facts: GgufFacts, edition: Edition, machine: Machine
) -> ServerSettings:
    """Memory settings with nothing absent; open values stand at their first choice."""
    parallel = chosen.parallel or 1
    context = context_size(chosen, facts, edition.longest_context(table.role))
    batch, ubatch = batches(table, chosen, context, parallel)
    return ServerSettings(
        ctx_size=context,
        parallel=parallel,
        kv_unified=bool(chosen.kv_unified),
        batch_size=batch,
        ubatch_size=ubatch,
        cache_type_k=_first(chosen.cache_type_k),
        cache_type_v=_first(chosen.cache_type_v),
        flash_attn=chosen.flash_attn or "auto",
        swa_full=bool(chosen.swa_full),
        n_gpu_layers=chosen.n_gpu_layers if isinstance(chosen.n_gpu_layers, int) else -1,
        n_cpu_moe=_experts(chosen),
        override_tensor=tuple(
            (pattern, machine.key_of(buffer) or buffer)
            for pattern, _, buffer in (
                item.rpartition("=") for item in chosen.override_tensor or ()
            )
        ),
        kv_offload=chosen.kv_offload is not False,
        tensor_split=_shares(chosen),
        devices=_devices(chosen, machine),
        embedding=table.role in ("embedding", "rerank"),
        pooling=chosen.pooling or ("rank" if table.role == "rerank" else ""),
        load_mode=chosen.load_mode or "auto",
        cache_ram_bytes=chosen.cache_ram or 0,
        ctx_checkpoints=chosen.ctx_checkpoints or 0,
        mmproj_offload=table.mmproj_offload,
        draft=_draft(table, chosen, machine),
    )


def context_size(chosen: ServerOptions, facts: GgufFacts, longest: int) -> int:
    """The context asked for; absent: the trained one up to ``longest``; "max": the trained one."""
    trained = trained_context(facts)
    if isinstance(chosen.ctx_size, int):
        return chosen.ctx_size
    if chosen.ctx_size == "max":
        return trained or longest
    return min(trained, longest) if trained else longest


def trained_context(facts: GgufFacts) -> int:
    """The context that the model was trained with; 0 when its header does not say."""
    found = facts.hyperparameters.get("context_length", 0)
    # The server's own number of tokens has 32 bits, whatever a header says.
    return min(max(0, int(found)), INT32) if isinstance(found, int | float) else 0


def batches(
    table: ModelTable, chosen: ServerOptions, context: int, parallel: int
) -> tuple[int, int]:
    """(batch_size, ubatch_size): embedding and rerank need a whole input in one physical batch."""
    batch, ubatch = chosen.batch_size or 2048, chosen.ubatch_size or 512
    if table.role in ("embedding", "rerank") and table.ubatch_size is None:
        ubatch = max(ubatch, slot_context(context, parallel, unified=bool(chosen.kv_unified)))
    return max(batch, ubatch), ubatch


def slot_context(context: int, parallel: int, *, unified: bool) -> int:
    """What one request can use of the context."""
    return context if unified else -(-context // parallel)


def _first(types: str | tuple[str, ...] | None) -> str:
    if isinstance(types, tuple):
        return types[0]
    return types or "f16"


def _experts(chosen: ServerOptions) -> int:
    if chosen.cpu_moe:
        return ALL_LAYERS
    # The server has an expression for each layer that it is told, however many there are.
    return min(chosen.n_cpu_moe, ALL_LAYERS) if isinstance(chosen.n_cpu_moe, int) else 0


def _shares(chosen: ServerOptions) -> tuple[float, ...]:
    if chosen.split_mode == "none" or not isinstance(chosen.tensor_split, tuple):
        return ()
    # The server takes shares that are all 0 for none.
    return chosen.tensor_split if any(chosen.tensor_split) else ()


def _devices(chosen: ServerOptions, machine: Machine) -> tuple[str, ...]:
    keys = tuple(device.key for device in machine.devices)
    if isinstance(chosen.device, tuple):
        keys = tuple(map(machine.key_of, chosen.device))
    return single(keys, chosen.main_gpu) if chosen.split_mode == "none" else keys


def single(keys: Sequence[str], main_gpu: int | None) -> tuple[str, ...]:
    """The one device of ``split_mode = "none"``; `--main-gpu` counts in the list of devices."""
    return tuple(keys[main_gpu or 0 :][:1])


def _draft(table: ModelTable, chosen: ServerOptions, machine: Machine) -> DraftSettings | None:
    draft = table.draft
    if draft is None:
        return None
    devices = tuple(map(machine.key_of, draft.device or ()))
    # A draft is split as its model is.
    devices = single(devices, chosen.main_gpu) if chosen.split_mode == "none" else devices
    return DraftSettings(
        spec_type=draft.spec_type,
        n_max=draft.spec_draft_n_max,
        cache_type_k=draft.cache_type_k,
        cache_type_v=draft.cache_type_v,
        n_gpu_layers=-1 if draft.n_gpu_layers == "all" else draft.n_gpu_layers,
        devices=devices,
    )
