"""The rules: each takes the plan and what was seen, and yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from llmgen.doctor.findings import Finding
from llmgen.doctor.observations import Seen
from llmgen.doctor.rules import (
    containers,
    files,
    gateways,
    gpu,
    heat,
    kernels,
    memory,
    options,
    programs,
    rpc,
    secrets,
    services,
)
from llmgen.plan.plan import Plan

DoctorRule = Callable[[Plan, Seen], Iterator[Finding]]

RULES: Final[tuple[DoctorRule, ...]] = (
    programs.present,
    programs.llama_server_build,
    programs.llama_swap_version,
    programs.memory_scheduler,
    rpc.same_build,
    rpc.taken,
    options.known,
    options.hidden,
    files.models,
    secrets.closed,
    services.ports,
    memory.total,
    memory.amd_split,
    memory.wired_limit,
    gpu.nvidia_driver,
    gpu.toolkit,
    gpu.backend_in_build,
    gpu.device_order,
    gpu.groups,
    kernels.architecture,
    kernels.code_for_gpu,
    heat.nvidia,
    heat.amd,
    heat.macos,
    services.memlock,
    services.linger,
    services.restart_loops,
    services.slow_load,
    services.no_gpu_layers,
    gateways.cors,
    containers.runtime,
    containers.compose,
    containers.starts_at_boot,
    containers.limits,
    containers.users,
    containers.nvidia,
    containers.selinux,
    containers.images,
    containers.image_cuda,
    containers.pinned,
)


def diagnose(plan: Plan, seen: Seen) -> list[Finding]:
    """Every rule's findings, in the order of the rules."""
    return [finding for rule in RULES for finding in rule(plan, seen)]
