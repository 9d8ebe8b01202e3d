"""Models over several nodes: what of them can be, and what cannot."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.config import Config
from llmgen.config.tables.kubernetes import Style
from llmgen.config.tables.models import ModelTable
from llmgen.errors import Diagnostic


def findings(config: Config) -> Iterator[Diagnostic]:
    """Errors about `nodes`."""
    table = config.kubernetes
    if table is None:
        return
    for name, model in config.models.items():
        if model.nodes > 1 and model.enable:
            yield from _findings(name, model, table.style)


def _findings(name: str, model: ModelTable, style: Style) -> Iterator[Diagnostic]:
    who, key = f"`{name}` is on {model.nodes} nodes together", ("models", name, "nodes")
    if style != "lws":
        yield Diagnostic(
            "kubernetes.nodes",
            f"{who}, which only LeaderWorkerSets start",
            key,
            hint='`style = "lws"` in [kubernetes]',
        )
    elif model.engine != "vllm":
        yield Diagnostic(
            "kubernetes.nodes",
            f"{who}, which in a cluster vLLM alone does: llama.cpp's RPC has no password, and is "
            "for machines of [hosts]",
            key,
            hint='`engine = "vllm"`, or `[hosts.NAME.rpc]` without [kubernetes]',
        )
    elif model.keep == "on_demand":
        yield Diagnostic(
            "kubernetes.nodes",
            f"{who}, which no engine loads on demand",
            key,
            hint='`keep = "always"`',
        )
    elif model.pipeline_parallel_size not in (None, model.nodes):
        yield Diagnostic(
            "kubernetes.nodes",
            f"the {model.nodes} nodes of `{name}` share its layers",
            ("models", name, "pipeline_parallel_size"),
            hint="leave it out; `tensor_parallel_size` is how many devices each node has",
        )
