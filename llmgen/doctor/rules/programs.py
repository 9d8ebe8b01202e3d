"""Programs that the plan starts: whether they are there, and of a version that was tested."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.editions import EDITIONS
from llmgen.detect.obtain import obtain
from llmgen.detect.versions import build_number, swap_number
from llmgen.doctor.model import Finding, Seen, judged, unknown
from llmgen.plan.model import Plan


def needed(plan: Plan) -> dict[str, str]:
    """The programs that this plan starts: key of [paths] and path."""
    config, layout = plan.library.config, plan.library.layout
    wanted = {"llama_server": bool(plan.placements)}
    wanted["llama_swap"] = bool(plan.engines) and config.services.on_demand == "llama_swap"
    wanted["envoy"] = config.gateway.envoy.enable
    wanted["litellm"] = config.gateway.litellm.enable
    return {key: str(getattr(layout, key)) for key, want in wanted.items() if want}


def present(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Every program is an executable file."""
    for key, path in needed(plan).items():
        if key not in seen.programs:
            yield unknown("program-present", path, "an executable file", "it was not looked at")
            continue
        yield judged(
            "program-present",
            path,
            "an executable file",
            "is there" if seen.programs[key] else "not there, or not executable",
            ok=seen.programs[key],
            fix=f"{obtain(key, seen.tools)}; then set `{key}` in [paths]",
        )


def llama_server_build(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """llama-server is the build that the plan was made for."""
    if "llama_server" not in needed(plan):
        return
    aimed, (first, last) = plan.library.build, EDITIONS[plan.library.config.edition].builds
    ran = seen.ran.get("llama_server --version")
    build = build_number(ran.text) if ran else None
    expected = f"build {aimed} (tested from {first} to {last})"
    if build is None:
        why = "`llama-server --version` names no build number"
        yield unknown("llama-server-build", "llama-server", expected, why)
        return
    yield judged(
        "llama-server-build",
        "llama-server",
        expected,
        f"build {build}",
        ok=build == aimed,
        evidence=ran.text.splitlines()[0] if ran else "",
        fix=f"set `build = {build}` in [llama_cpp] and run `llmgen generate`",
    )


def llama_swap_version(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """llama-swap is a version that the configuration was written for."""
    if "llama_swap" not in needed(plan):
        return
    aimed, (first, last) = (
        plan.library.swap_version,
        EDITIONS[plan.library.config.edition].swap_versions,
    )
    ran = seen.ran.get("llama_swap -version")
    version = swap_number(ran.text) if ran else None
    expected = f"version {aimed} (tested from {first} to {last})"
    if not version:
        why = "`llama-swap -version` names no version (a build of its own says 0)"
        yield unknown("llama-swap-version", "llama-swap", expected, why)
        return
    yield judged(
        "llama-swap-version",
        "llama-swap",
        expected,
        f"version {version}",
        ok=version >= aimed,
        evidence=ran.text.splitlines()[0] if ran else "",
        fix=f"a newer llama-swap, or `version = {version}` in [targets.llama_swap]",
    )
