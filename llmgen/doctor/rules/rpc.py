"""RPC between machines: both ends are one build, and llama-server takes the other one's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from llmgen.detect.versions import build_number
from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import Seen
from llmgen.machine import MachineDevice
from llmgen.plan.plan import Placement, Plan
from llmgen.plan.rpc import endpoints

_VERSION = re.compile(r"\d+(\.\d+){2}")
_LISTED = re.compile(r"^ *RPC\d+: ", re.MULTILINE)
# The short name of what the llama-server beside ggml-rpc-server says.
BESIDE: Final = "llama-server --version, beside ggml-rpc-server"
_MISMATCH = re.compile(r"RPC server version mismatch: [\d.]+")


def listing(endpoint: str) -> str:
    """The short name of what llama-server says of the devices there."""
    return f"llama_server --list-devices {endpoint}"


def greeting(endpoint: str) -> str:
    """The short name of what the server there says of itself."""
    return f"hello {endpoint}"


def wanted(plan: Plan) -> dict[str, tuple[Placement, tuple[MachineDevice, ...]]]:
    """Every RPC server that this machine's models use, by its endpoint: whose, with what."""
    return {
        endpoint: (item, devices)
        for item in plan.placements
        for endpoint, devices in endpoints(item.name, item.settings, plan.library).items()
    }


def same_build(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """ggml-rpc-server says no build: it is that of the llama-server beside it."""
    if not plan.library.config.rpc.lend:
        return
    aimed, path = plan.library.build, plan.library.layout.rpc_server
    expected = f"of build {aimed}, as llama-server on the machines that use it"
    ran = seen.ran.get(BESIDE)
    build = build_number(ran.text) if ran else None
    if build is None:
        why = "no llama-server beside it says its build"
        yield unknown("rpc-server-build", str(path), expected, why)
        return
    yield judged(
        "rpc-server-build",
        str(path),
        expected,
        f"build {build}",
        ok=build == aimed,
        fix=f"install b{aimed}, or leave `rpc_server` out of [paths]: one build makes both",
    )


def taken(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Each RPC server is there, and its version and devices are those that llama-server wants."""
    for endpoint, (item, devices) in wanted(plan).items():
        expected = f"{_devices(len(devices))} of an RPC server of this build, for `{item.name}`"
        hello = seen.ran.get(greeting(endpoint))
        if hello is None:
            yield unknown("rpc-server", endpoint, expected, "it was not asked")
            continue
        if hello.out == "busy":
            yield unknown("rpc-server", endpoint, expected, "it has a client now")
            continue
        ran = seen.ran.get(listing(endpoint))
        said = ran.text if ran is not None else ""
        observed, ok = _observed(hello.out, said, len(devices))
        yield judged(
            "rpc-server",
            endpoint,
            expected,
            observed,
            ok=ok,
            fix=f"on {devices[0].lender}: `llmgen doctor`, then `llmgen restart`; both ends are "
            f"b{plan.library.build}",
        )


def _observed(hello: str, listed: str, count: int) -> tuple[str, bool]:
    if not _VERSION.fullmatch(hello):
        return hello, False
    if mismatch := _MISMATCH.search(listed):
        return mismatch[0], False
    found = len(_LISTED.findall(listed))
    return f"protocol {hello}, {_devices(found)}", found == count


def _devices(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"
