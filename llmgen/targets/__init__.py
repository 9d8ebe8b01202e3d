"""The targets: one module for each program that llmgen writes configuration for."""

from __future__ import annotations

from typing import Final

from llmgen.targets import (
    clients,
    compose,
    containerfile,
    docs,
    envoy,
    host,
    launchd,
    litellm,
    llama_server,
    llama_swap,
    makefile,
    prometheus,
    proof,
    quadlet,
    report,
    systemd,
)
from llmgen.targets.base import TargetModule

TARGETS: Final[dict[str, TargetModule]] = {
    llama_swap.NAME: llama_swap,
    llama_server.NAME: llama_server,
    envoy.NAME: envoy,
    litellm.NAME: litellm,
    systemd.NAME: systemd,
    launchd.NAME: launchd,
    compose.NAME: compose,
    quadlet.NAME: quadlet,
    containerfile.NAME: containerfile,
    makefile.NAME: makefile,
    clients.NAME: clients,
    docs.NAME: docs,
    proof.NAME: proof,
    report.NAME: report,
    host.NAME: host,
    prometheus.NAME: prometheus,
}
