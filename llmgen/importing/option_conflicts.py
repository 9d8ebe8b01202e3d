"""Options of one command line that only make sense together, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

from llmgen.config.tables.models import Draft
from llmgen.errors import Diagnostic
from llmgen.importing.parts import SOURCES, fault, lost
from llmgen.options import experts
from llmgen.resolve.checks import NO_ROWS_SINCE
from llmgen.resolve.settings import ALL_LAYERS, is_named
from llmgen.server_help import BUILD

# What `--parallel -1` becomes (tools/server/server.cpp).
_AUTO_SLOTS: Final = 4
_SPEC_TYPES: Final = get_args(Draft.model_fields["spec_type"].annotation)


def settle(name: str, keys: dict[str, Any]) -> Iterator[Diagnostic]:
    """Put the keys of a model right that depend on each other; tell what has to go."""
    if "load_mode" in keys:
        keys["load_mode"] = _load_mode(keys["load_mode"])
    if "override_tensor" in keys:
        keys.update(_moved(keys.pop("override_tensor")))
    if keys.get("parallel", 1) < 0:
        keys.update(parallel=_AUTO_SLOTS, kv_unified=True)
    for key, option in (("threads", "--threads"), ("threads_batch", "--threads-batch")):
        if keys.get(key, 1) <= 0:
            del keys[key]
            yield lost(f"`{option}` of `{name}`", "below 1 it is the server's own choice")
    if keys.get("split_mode") == "row" and BUILD >= NO_ROWS_SINCE:
        del keys["split_mode"]
        yield lost(f"`--split-mode row` of `{name}`", f"llama-server b{BUILD} splits by layers")
    if keys.get("jinja") and is_named(keys.get("chat_template", "")):
        del keys["jinja"]
        yield fault(
            "template-with-jinja",
            f"with `--jinja`, llama-server takes `{keys['chat_template']}` for a template's text: "
            f"each prompt of `{name}` is that word",
            "llmgen writes `--no-jinja` beside a built-in template",
        )
    yield from _source(name, keys)
    yield from _draft(name, keys)
    yield from _judge(name, keys)


def _load_mode(found: str | Mapping[str, bool]) -> str:
    """The mode, or what the switches of builds before --load-mode make together."""
    if isinstance(found, str):
        return found
    if found.get("--direct-io"):
        return "dio"
    mapped = found.get("--mmap", True)
    if found.get("--mlock"):
        return "mmap+mlock" if mapped else "mlock"
    return "mmap" if mapped else "none"


def _moved(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Tensors kept on the host, in the server's order: the first expression that matches counts.

    llmgen looks at ``override_tensor`` first, so experts that were named before it become a part.
    """
    patterns: list[str] = []
    moved: dict[str, Any] = {}
    last = max((at for at, step in enumerate(steps) if "override_tensor" in step), default=-1)
    for at, step in enumerate(steps):
        if "override_tensor" in step:
            patterns += step["override_tensor"]
        elif at < last:
            patterns += _expressions(step)
        elif step.get("cpu_moe"):
            moved["cpu_moe"] = True
        elif "n_cpu_moe" in step:
            moved["n_cpu_moe"] = max(step["n_cpu_moe"], moved.get("n_cpu_moe", 0))
    return moved | ({"override_tensor": patterns} if patterns else {})


def _expressions(step: Mapping[str, Any]) -> Iterator[str]:
    if step.get("cpu_moe"):
        yield f"{experts(ALL_LAYERS)}=CPU"
    elif step.get("n_cpu_moe", 0) > 0:
        yield f"{experts(step['n_cpu_moe'])}=CPU"


def _source(name: str, keys: dict[str, Any]) -> Iterator[Diagnostic]:
    """A file of the Hub wins over a local path, a file's name over a quantisation."""
    if "hf_repo" in keys and "model" in keys:
        yield lost(f"`--model {keys.pop('model')}` of `{name}`", "the model of the Hub wins")
    if "hf_file" in keys and "hf_repo" in keys:
        keys.pop("quant", None)
    elif "hf_file" in keys:
        file = keys.pop("hf_file")
        yield lost(f"`--hf-file {file}` of `{name}`", "no repository is named")


def _draft(name: str, keys: dict[str, Any]) -> Iterator[Diagnostic]:
    draft = keys.get("draft")
    if draft is None:
        return
    if "hf_repo" in draft and "model" in draft:
        # The model's name is a file of that repository then.
        draft["hf_file"] = draft.pop("model")
        draft.pop("quant", None)
    if draft.get("device") == []:
        # No device means the host; llm.toml says that by layers.
        draft.update(n_gpu_layers=0)
        del draft["device"]
    kind = draft.get("spec_type")
    if kind is not None and kind not in _SPEC_TYPES:
        del draft["spec_type"]
        yield lost(f"`--spec-type {kind}` of `{name}`", f"llm.toml knows {', '.join(_SPEC_TYPES)}")
    if draft.get("spec_type") != "draft-mtp" and not draft.keys() & SOURCES:
        del keys["draft"]
        if rest := ", ".join(f"`{key} = {value}`" for key, value in draft.items()):
            yield lost(f"{rest} of the draft of `{name}`", "no draft model is named")


def _judge(name: str, keys: dict[str, Any]) -> Iterator[Diagnostic]:
    """Combinations that the server accepts and that do not do what was meant."""
    context, slots = keys.get("ctx_size"), keys.get("parallel", 1)
    embeds = keys.get("role") in ("embedding", "rerank")
    if not isinstance(context, int) or context <= 0 or slots <= 0:
        if embeds and "ubatch_size" in keys:
            size = keys.pop("ubatch_size")
            yield lost(f"`--ubatch-size {size}` of `{name}`", "llmgen sizes it for whole inputs")
        return
    slot = context if keys.get("kv_unified") else context // slots
    if embeds and slot < 512:
        yield fault(
            "slot-too-small",
            f"`{name}` shares {context} tokens among {slots} slots: {slot} for each request",
            f"`ctx_size = {512 * slots}` or fewer slots",
        )
    batch = keys.get("ubatch_size", 512)
    if embeds and batch < slot:
        yield fault(
            "batch-below-input",
            f"`{name}` refuses inputs above {batch} tokens: its physical batch is smaller than "
            f"its {slot} tokens for each request",
            "llmgen sizes the physical batch by itself",
        )
        keys.pop("ubatch_size", None)
