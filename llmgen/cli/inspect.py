"""``llmgen inspect``: what GGUF files need under given server options."""

from __future__ import annotations

from typing import Any

import click
from msgspec import Struct

from llmgen.budget.builds import DEFAULT
from llmgen.budget.estimate import estimate
from llmgen.budget.memory import Estimate
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.budget.shape.rows import CACHE_TYPES
from llmgen.cli.boundary import Session, command
from llmgen.cli.options import DeviceShares, LayerCount, OverrideParam, ServerKey
from llmgen.cli.outcome import Outcome
from llmgen.cli.references import read_facts
from llmgen.errors import Diagnostic, InputError, PlanError

# llama_max_devices() of llama.cpp.
MOST_DEVICES = 16
_POOLING = ("none", "mean", "cls", "last", "rank")


class Inspected(Struct, frozen=True):
    """One file: its estimate, or why there is none."""

    path: str
    architecture: str = ""
    estimate: Estimate | None = None
    error: Diagnostic | None = None
    exit_code: int = 0


@command(reads_config=False, short_help="what models need under given server options")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "-c",
    "--ctx-size",
    type=ServerKey("ctx_size", also=(0,)),
    default=0,
    help="Context; 0: as trained.",
)
@click.option(
    "--parallel",
    type=ServerKey("parallel", also=(-1,)),
    default=-1,
    help="Slots; -1: four that share one cache.",
)
@click.option("--kv-unified/--no-kv-unified", default=None, help="One cache for all slots.")
@click.option("--batch-size", type=ServerKey("batch_size"), default=2048, help="Logical batch.")
@click.option("--ubatch-size", type=ServerKey("ubatch_size"), default=512, help="Physical batch.")
@click.option("--cache-type-k", type=click.Choice(list(CACHE_TYPES)), default="f16")
@click.option("--cache-type-v", type=click.Choice(list(CACHE_TYPES)), default="f16")
@click.option("--flash-attn", type=click.Choice(["on", "off", "auto"]), default="auto")
@click.option("--swa-full", is_flag=True, help="Full-size caches for sliding windows.")
@click.option(
    "--n-gpu-layers",
    type=LayerCount("n_gpu_layers", also=(-1,)),
    default=-1,
    help="Layers on devices; all, or a number.",
)
@click.option(
    "--n-cpu-moe", type=ServerKey("n_cpu_moe"), default=0, help="Layers with host experts."
)
@click.option(
    "--override-tensor",
    type=OverrideParam("override_tensor"),
    multiple=True,
    metavar="PATTERN=BUFFER",
    help="Where matching tensors go: CPU, gpu0, gpu1 ...",
)
@click.option("--no-kv-offload", is_flag=True, help="Keep the cache on the host.")
@click.option(
    "--tensor-split",
    type=DeviceShares("tensor_split"),
    default=(),
    metavar="N,N",
    help="Shares; absent: equal.",
)
@click.option("--embedding", is_flag=True, help="A server for embeddings.")
@click.option("--pooling", type=click.Choice(_POOLING), help="How embeddings are pooled.")
@click.option(
    "--devices", type=click.IntRange(0, MOST_DEVICES), default=1, help="How many; 0: host only."
)
@click.option("--llama-cpp-build", type=click.IntRange(min=1), default=DEFAULT, show_default=True)
@click.option("--explain", is_flag=True, help="The arithmetic, line by line.")
def cli(
    session: Session,  # noqa: ARG001 - every command gets it
    *,
    models: tuple[str, ...],
    llama_cpp_build: int,
    explain: bool,
    **options: Any,  # noqa: ANN401 - the options above, by name
) -> Outcome:
    """Say what each model needs on each device under one set of llama-server's options.

    A MODEL is a GGUF file, ORG/REPO:QUANT of the Hub (a few MiB are read, nothing is downloaded),
    or ollama:NAME. Options are named as llama-server's, and so are their defaults, with `--fit
    off`. The figures are what the server itself reports: model, context and compute buffers.
    """
    settings = _settings(**options)
    found = tuple(_inspected(path, settings, llama_cpp_build, explain=explain) for path in models)
    return Outcome(
        {"models": [_shown(item, explain=explain) for item in found]},
        text=lambda: _print(found, explain=explain),
        diagnostics=tuple(item.error for item in found if item.error),
        exit_code=max(item.exit_code for item in found) or None,
    )


def _settings(
    *,
    devices: int,
    no_kv_offload: bool,
    pooling: str | None,
    override_tensor: tuple[tuple[tuple[str, str], ...], ...],
    **same: Any,  # noqa: ANN401 - what has the same name and meaning
) -> ServerSettings:
    return ServerSettings(
        devices=tuple(f"gpu{number}" for number in range(devices)),
        kv_offload=not no_kv_offload,
        pooling=pooling or "",
        override_tensor=tuple(pair for pairs in override_tensor for pair in pairs),
        **same,
    )


def _inspected(path: str, settings: ServerSettings, build: int, *, explain: bool) -> Inspected:
    try:
        facts = read_facts(path)
    except InputError as error:
        return Inspected(path, error=error.diagnostics[0], exit_code=error.exit_code)
    try:
        made = estimate(facts, settings, build, explained=explain)
        return Inspected(path, facts.architecture, made)
    except SettingRefused as refusal:
        found = Diagnostic(
            "inspect.setting-refused",
            f"`{path}`: {refusal.message}",
            key=(refusal.key,),
            hint=refusal.hint,
        )
        return Inspected(path, facts.architecture, error=found, exit_code=PlanError.exit_code)


def _shown(item: Inspected, *, explain: bool) -> dict[str, object]:
    shown: dict[str, object] = {"path": item.path, "architecture": item.architecture}
    if item.estimate is None:
        return {**shown, "error": item.error}
    made = item.estimate
    shown |= {"exact": made.exact, "n_ctx": made.n_ctx, "n_ctx_seq": made.n_ctx_seq}
    shown |= {"memory": made.memory, "warnings": made.warnings}
    if explain:
        shown["parts"] = [
            {"device": device, "what": what, "bytes": size} for device, what, size in made.parts
        ]
    return shown


def _print(found: tuple[Inspected, ...], *, explain: bool) -> None:
    from llmgen.cli.breakdown import show_breakdown

    for item in found:
        if item.estimate is not None:
            show_breakdown(item.path, item.architecture, item.estimate, explain=explain)
