"""Rules between settings and facts: what the header says that llm.toml contradicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmgen.budget.drafting import READS, read_layers
from llmgen.budget.shape.architectures import PROJECTOR
from llmgen.config.tables.models import GENERATES
from llmgen.errors import Diagnostic, Severity
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.library import Model
from llmgen.resolve import replicas
from llmgen.resolve.role import is_encoder, made_for, pooling
from llmgen.resolve.settings import is_named, slot_context, trained_context

# A paragraph, and what BERT was trained with.
LEAST_INPUT: Final = 512
# `llama-server --help` of b11434.
TEMPLATES: Final = (
    "bailing", "bailing-think", "bailing2", "chatglm3", "chatglm4", "chatml", "command-r",
    "deepseek", "deepseek-ocr", "deepseek2", "deepseek3", "exaone-moe", "exaone3", "exaone4",
    "falcon3", "gemma", "gigachat", "glmedge", "gpt-oss", "granite", "granite-4.0",
    "granite-4.1", "grok-2", "hunyuan-dense", "hunyuan-moe", "hunyuan-vl", "kimi-k2", "llama2",
    "llama2-sys", "llama2-sys-bos", "llama2-sys-strip", "llama3", "llama4", "megrez", "minicpm",
    "mistral-v1", "mistral-v3", "mistral-v3-tekken", "mistral-v7", "mistral-v7-tekken",
    "monarch", "openchat", "orion", "pangu-embedded", "phi3", "phi4", "rwkv-world", "seed_oss",
    "smolvlm", "solar-open", "vicuna", "vicuna-orca", "yandex", "zephyr",
)  # fmt: skip
MTP: Final = "draft-mtp"
# From this build on, devices of the backends that llmgen knows have no buffers for rows: the server
# does not start (llama.cpp PR 24216, issues 25884 and 27465).
NO_ROWS_SINCE: Final = 9890


def checks(model: Model, build: int) -> Iterator[Diagnostic]:
    """Errors and warnings of one joined model; other engines have no facts to compare with."""
    if not model.is_llama:
        return
    yield from _role(model)
    yield from _context(model)
    yield from _input(model)
    yield from _batch(model)
    yield from _pooling(model)
    yield from _template(model)
    yield from _rows(model, build)
    yield from replicas.findings(model)
    yield from _draft(model)
    yield from _adapters(model)
    yield from _projector(model)


def _role(model: Model) -> Iterator[Diagnostic]:
    found = made_for(model.facts)
    if model.role not in GENERATES or found in GENERATES:
        return
    yield Diagnostic(
        "models.generates-nothing",
        f"`{model.name}` is made for {found}, and its role is {model.role}",
        ("models", model.name, "role"),
        hint=f'`role = "{found}"`',
        severity=Severity.ERROR if is_encoder(model.facts) else Severity.WARNING,
    )


def _context(model: Model) -> Iterator[Diagnostic]:
    settings, trained = model.settings, trained_context(model.facts)
    slot = slot_context(settings.ctx_size, settings.parallel, unified=bool(settings.kv_unified))
    given = model.options
    # A scaling without its factor stretches nothing; another base does, nobody knows how far.
    reach = trained * max(given.rope_scale or 1, 1 / (given.rope_freq_scale or 1))
    if trained and slot > reach and given.rope_freq_base is None:
        yield Diagnostic(
            "models.beyond-training",
            f"`{model.name}` has {slot} tokens for each request, but was trained with {trained}",
            ("models", model.name, "ctx_size"),
            hint=f"`ctx_size = {trained * (1 if settings.kv_unified else settings.parallel)}`, "
            f'or stretch it: `rope_scaling = "yarn"` and `rope_scale = {-(-slot // trained)}`',
            severity=Severity.WARNING,
        )


def _input(model: Model) -> Iterator[Diagnostic]:
    """What embeds or ranks takes an input whole: a slot of it is the longest text."""
    settings, trained = model.settings, trained_context(model.facts)
    slot = slot_context(settings.ctx_size, settings.parallel, unified=bool(settings.kv_unified))
    least = min(trained, LEAST_INPUT)
    if settings.embedding and slot < least:
        slots = 1 if settings.kv_unified else settings.parallel
        yield Diagnostic(
            "models.short-input",
            f"`{model.name}` takes inputs of {slot} tokens: {settings.ctx_size} of context for "
            f"{slots} slots",
            ("models", model.name, "ctx_size"),
            hint=f"`ctx_size = {least * slots}`, or fewer slots",
            severity=Severity.WARNING,
        )


def _batch(model: Model) -> Iterator[Diagnostic]:
    settings = model.settings
    slot = slot_context(settings.ctx_size, settings.parallel, unified=bool(settings.kv_unified))
    if settings.embedding and settings.ubatch_size < slot:
        yield Diagnostic(
            "models.batch-below-input",
            f"`{model.name}` takes inputs of {slot} tokens, but its physical batch holds "
            f"{settings.ubatch_size}",
            ("models", model.name, "ubatch_size"),
            hint=f"`ubatch_size = {slot}`, or leave it out",
        )


def _rows(model: Model, build: int) -> Iterator[Diagnostic]:
    """Models split by rows: shares count all cards of the machine, and their first ones only."""
    devices = model.settings.devices
    if model.options.split_mode != "row" or len(devices) < 2:
        return
    first = tuple(f"gpu{number}" for number in range(len(devices)))
    if build >= NO_ROWS_SINCE:
        yield Diagnostic(
            "models.no-rows",
            f"`{model.name}` is split by rows, which llama.cpp b{build} cannot do on these devices",
            ("models", model.name, "split_mode"),
            hint='`split_mode = "layer"`',
        )
    elif devices != first:
        yield Diagnostic(
            "models.no-rows",
            f"`{model.name}` is split by rows over {' and '.join(devices)}, but the server deals "
            "rows to the first cards of the machine",
            ("models", model.name, "device"),
            hint=f'`device = [{", ".join(map(_quoted, first))}]`, or `split_mode = "layer"`',
        )
    else:
        yield Diagnostic(
            "budget.inexact",
            f"`{model.name}` is split by rows, and the plan counts whole layers on each device",
            ("models", model.name),
            hint='`split_mode = "layer"` is planned exactly',
            severity=Severity.WARNING,
        )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _pooling(model: Model) -> Iterator[Diagnostic]:
    """Vectors come from a pooling that the header or llm.toml names, scores from `rank` alone."""
    if model.role not in ("embedding", "rerank"):
        return
    own = pooling(model.facts)
    wanted = "rank" if model.role == "rerank" else own
    chosen = model.options.pooling
    if model.role == "embedding" and (chosen or own or "none") == "none":
        yield Diagnostic(
            "models.no-pooling",
            f"`{model.name}` is not told how to pool: /v1/embeddings will answer with an error",
            ("models", model.name, *(("pooling",) if chosen else ())),
            hint=f'`pooling = "{"mean" if is_encoder(model.facts) else "last"}"`, '
            "or what the model's card names",
            severity=Severity.WARNING,
        )
    elif chosen and wanted and chosen != wanted:
        yield Diagnostic(
            "models.other-pooling",
            f"`{model.name}` is made for the pooling `{wanted}`, not for `{chosen}`",
            ("models", model.name, "pooling"),
            hint=f'`pooling = "{wanted}"`, or leave it out',
            severity=Severity.WARNING,
        )


def _template(model: Model) -> Iterator[Diagnostic]:
    name = model.options.chat_template or ""
    if not is_named(name):
        return
    key = ("models", model.name, "chat_template")
    if name not in TEMPLATES:
        from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

        near = get_close_matches(name, TEMPLATES, 1)
        yield Diagnostic(
            "models.no-template",
            f"llama-server has no built-in chat template `{name}`",
            key,
            hint=f"did you mean `{near[0]}`?" if near else "leave it out: models bring their own",
            severity=Severity.WARNING,
        )
    elif model.options.jinja:
        yield Diagnostic(
            "models.template-with-jinja",
            f"with jinja, llama-server takes `{name}` for the template's text: each prompt of "
            f"`{model.name}` would be that word",
            key,
            hint="`jinja = false`, or leave the template out: models bring their own",
        )


def _draft(model: Model) -> Iterator[Diagnostic]:
    mtp = model.draft is None and model.settings.draft and model.settings.draft.spec_type == MTP
    if mtp and not model.facts.hyperparameters.get("nextn_predict_layers"):
        yield Diagnostic(
            "models.no-mtp-head",
            f"`{model.name}` has no MTP layers of its own to draft with",
            ("models", model.name, "draft", "spec_type"),
            hint="name a draft model: `draft = { model = ... }`, or take the draft away",
        )
    if model.draft is None:
        return
    spec = model.settings.draft.spec_type if model.settings.draft else ""
    if spec in READS and not read_layers(model.draft):
        yield Diagnostic(
            "models.draft-reads-nothing",
            f"`{spec}` needs a draft that reads layers of the model (`target_layers`): that of "
            f"`{model.name}` is a `{model.draft.architecture}` model, which reads none",
            ("models", model.name, "draft", "spec_type"),
            hint='`spec_type = "draft-simple"`, or a draft that was made for this model',
        )
    if not model.draft.vocabulary:
        return
    # llama.cpp's speculative decoding refuses vocabularies that differ by more than 128 tokens.
    if abs(model.draft.vocabulary - model.facts.vocabulary) > 128:
        yield Diagnostic(
            "models.draft-vocabulary",
            f"the draft of `{model.name}` has {model.draft.vocabulary} tokens, the model "
            f"{model.facts.vocabulary}: they do not speak the same language",
            ("models", model.name, "draft"),
            hint="take a draft model of the same family",
        )


def _adapters(model: Model) -> Iterator[Diagnostic]:
    for index, (named, facts) in enumerate(zip(model.lora, model.adapters, strict=True)):
        key = ("models", model.name, "lora", index, "path")
        if facts.hyperparameters.get("adapter.type") != "lora":
            yield Diagnostic(
                "models.not-an-adapter",
                f"`{named.path}` is no LoRA adapter",
                key,
                hint="convert_lora_to_gguf.py of llama.cpp writes one",
            )
        elif facts.architecture != model.facts.architecture:
            yield Diagnostic(
                "models.adapter-architecture",
                f"the adapter `{named.path}` is for `{facts.architecture}`, `{model.name}` is "
                f"`{model.facts.architecture}`",
                key,
                hint="take the adapter of this very model",
            )
        elif pattern := _misfit(facts, model.facts):
            yield Diagnostic(
                "models.adapter-shape",
                f"the adapter `{named.path}` changes `{pattern}`, which `{model.name}` does not "
                "have in that shape",
                key,
                hint="take the adapter of this very model",
            )
        elif named.scale != 1 and ":" in named.path:
            yield Diagnostic(
                "models.adapter-name",
                f"`{named.path}` has a colon, after which the server reads the scale",
                key,
                hint="rename the file, or leave `scale` out",
            )


def _misfit(adapter: GgufFacts, model: GgufFacts) -> str:
    """The first tensor of an adapter that the model lacks, by llama_adapter_lora_init's rule."""
    shapes = {
        (group.pattern, layer): group.shape
        for group in model.tensors
        for layer in group.layers or (-1,)
    }
    for group in adapter.tensors:
        pattern, _, half = group.pattern.rpartition(".")
        # Rows of the embedding are looked up, so its two halves are turned around.
        if half not in ("lora_a", "lora_b") or pattern == "token_embd.weight":
            continue
        side = 0 if half == "lora_a" else 1
        for layer in group.layers or (-1,):
            shape = shapes.get((pattern, layer), ())
            if len(shape) < 2 or shape[side] != group.shape[side]:
                return pattern.replace("#", str(layer))
    return ""


def _projector(model: Model) -> Iterator[Diagnostic]:
    if model.mmproj is not None and model.mmproj.architecture != PROJECTOR:
        yield Diagnostic(
            "models.not-a-projector",
            f"the `mmproj` of `{model.name}` is no projector: `{model.mmproj.architecture}`",
            ("models", model.name, "mmproj"),
            hint="projector files are called mmproj-*.gguf",
        )
    if model.facts.architecture == PROJECTOR:
        yield Diagnostic(
            "models.is-a-projector",
            f"`{model.name}` is a projector file, no model",
            ("models", model.name),
            hint="name it as `mmproj` of its model",
        )
