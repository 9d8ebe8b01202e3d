"""Services: ports, limits, restart loops, and what their logs tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import Seen
from llmgen.plan.plan import Plan
from llmgen.plan.ports import listeners
from llmgen.targets.containers.published_ports import published
from llmgen.targets.host.memory import locked_bytes
from llmgen.units import show_size

# Restarts since boot from which a service is called a loop: systemd's own limit is 5 in 10 s.
LOOP = 5
_LOADED = re.compile(r"load time\s*=\s*([\d.]+) ms|model loaded in ([\d.]+) ?s")
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")


def ports(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Every port of the plan is free, or held by the service that it is for."""
    for name, port in listening(plan).items():
        expected = f"free, or held by {name}"
        if port not in seen.ports:
            yield unknown("port", str(port), expected, "the listeners could not be read")
            continue
        holder = seen.ports[port]
        if holder is not None and holder.pid is None and _may_be_ours(plan):
            yield unknown("port", str(port), expected, "another user's program holds it")
            continue
        pid = f" (pid {holder.pid})" if holder and holder.pid else ""
        who = f"held by {holder.name}{pid}" if holder else "free"
        kill = f"`kill {holder.pid}`" if holder and holder.pid else "stop that program"
        yield judged(
            "port",
            str(port),
            expected,
            who,
            ok=holder is None or holder.ours,
            fix=f"{kill}, or set another port for {name} in llm.toml",
        )


def _may_be_ours(plan: Plan) -> bool:
    """Services of the system run as another user than whoever asks."""
    return plan.library.config.services.scope == "system"


def listening(plan: Plan) -> dict[str, int]:
    """Every port of the machine that an enabled service of the plan has, by who it is."""
    if plan.library.config.services.runtime != "native":
        return {item.service: item.port for item in published(plan)}
    servers = {who: port for who, _, port in listeners(plan.library.config)}
    return {**plan.ports, **servers}


def memlock(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Locked weights fit the user's memlock limit (system units set it themselves)."""
    most = locked_bytes(plan)
    if not most or plan.library.config.services.scope == "system":
        return
    expected = f"a memlock limit of at least {show_size(most)}"
    if seen.memlock_bytes is None:
        yield unknown("memlock", "memlock", expected, "the limit could not be read")
        return
    unlimited = seen.memlock_bytes < 0
    yield judged(
        "memlock",
        "memlock",
        expected,
        "unlimited" if unlimited else show_size(seen.memlock_bytes),
        ok=unlimited or seen.memlock_bytes >= most,
        fix="`sudo llmgen host --install` raises it; or add `* - memlock unlimited` to "
        "/etc/security/limits.conf, and log in again",
    )


def linger(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """User units on Linux start at boot only for a user who lingers."""
    library = plan.library
    if library.config.services.scope != "user" or library.machine.os != "linux":
        return
    expected = "lingering is on, so services start without a login"
    if seen.linger is None:
        yield unknown("linger", "loginctl", expected, "`loginctl` could not be asked")
        return
    yield judged(
        "linger", "loginctl", expected, "on" if seen.linger else "off", ok=seen.linger,
        fix="`loginctl enable-linger`",
    )  # fmt: skip


def restart_loops(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """No service keeps restarting."""
    del plan
    for unit, count in seen.restarts.items():
        yield judged(
            "restart-loop",
            unit,
            f"fewer than {LOOP} restarts",
            f"{count} restarts",
            ok=count < LOOP,
            evidence=_last_line(seen.logs.get(unit, "")),
            fix=f"`llmgen logs {unit}`: the last lines before each restart say why",
        )


def slow_load(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Models load about as quickly as the disk of [hardware] reads."""
    bandwidth = plan.library.machine.disk_bandwidth_bytes
    for placement in (item for item in plan.placements if item.model.is_llama):
        seconds = _load_seconds(seen.logs.get(placement.name, ""))
        if seconds is None or not bandwidth:
            continue
        planned = placement.model.facts.size_bytes / bandwidth
        yield judged(
            "slow-load",
            placement.name,
            f"about {planned:.0f} s at {show_size(bandwidth)}/s",
            f"{seconds:.0f} s",
            ok=seconds <= max(3 * planned, 5),
            fix="correct `disk_bandwidth` in [hardware], or move the models to a faster disk; "
            "`preload = true` loads at the start",
        )


def no_gpu_layers(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """The layers that the plan puts on devices are there."""
    for placement in plan.placements:
        match = _OFFLOADED.search(seen.logs.get(placement.name, ""))
        wants = (
            placement.model.is_llama
            and bool(placement.settings.devices)
            and placement.settings.n_gpu_layers != 0
        )
        if match is None or not wants:
            continue
        yield judged(
            "gpu-layers",
            placement.name,
            "layers on the GPU, as planned",
            match[0],
            ok=int(match[1]) > 0,
            evidence=match[0],
            fix="`llama-server --list-devices` must list the device; see the rule `backend`",
        )


def _load_seconds(log: str) -> float | None:
    matches = _LOADED.findall(log)
    if not matches:
        return None
    milliseconds, seconds = matches[-1]
    return float(seconds) if seconds else float(milliseconds) / 1000


def _last_line(log: str) -> str:
    return (log.strip().splitlines() or [""])[-1]
