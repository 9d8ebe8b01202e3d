"""What each node of a pool is like, and what no node of a cluster is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmgen.cluster.origin import told_of
from llmgen.config.config import Config
from llmgen.errors import ConfigError, Diagnostic
from llmgen.machine import Machine, machine


def node_of(own: Config, pool: str, document: Mapping[str, Any]) -> Machine:
    """A node by the pool's own config; ConfigError names the place in the whole llm.toml."""
    try:
        return _of_linux(machine(own.hardware, own.budget), own, pool)
    except ConfigError as error:
        raise ConfigError([told_of(item, pool, document) for item in error.diagnostics]) from None


def _of_linux(node: Machine, own: Config, pool: str) -> Machine:
    if node.os == "linux":
        return node
    told, where = own.hardware.os is not None, f"[kubernetes.pools.{pool}.hardware]"
    # A Mac's profile has Metal, too, which no other system has.
    other = f'a profile that runs it: `profile = "nvidia-24gb"` in {where}'
    raise ConfigError(
        Diagnostic(
            "kubernetes.no-linux",
            f"`{pool}` is nodes that run {node.os}, and pods are for Linux",
            ("hardware", "os" if told else "profile"),
            hint=f'`os = "linux"`, or {other}' if told else other,
        )
    )
