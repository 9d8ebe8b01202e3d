"""Programs that the plan starts: whether they are there, and of a version that was tested."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.editions import EDITIONS
from llmgen.detect.obtain import obtain
from llmgen.detect.versions import build_number, swap_number
from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import Seen
from llmgen.engines.loaders import LLAMA_SWAP, ROUTER, loader_of
from llmgen.plan.plan import Placement, Plan


def needed(plan: Plan) -> dict[str, str]:
    """The programs of the machine that this plan starts: key of [paths], or the model's, and path.

    Those of a stack in containers are in its images.
    """
    config, layout = plan.library.config, plan.library.layout
    if config.services.runtime != "native":
        return {}
    usual = any(item.model.is_plain and not item.model.program for item in plan.placements)
    lends = bool(config.rpc.lend)
    # A lender's llama-server says which build its ggml-rpc-server is.
    loader = loader_of(config.services)
    wanted = {"llama_server": usual or lends or loader is ROUTER}
    wanted["rpc_server"] = lends
    wanted["llama_swap"] = bool(plan.engines) and loader is LLAMA_SWAP
    wanted["envoy"] = config.gateway.envoy.enable
    wanted["litellm"] = config.gateway.litellm.enable
    wanted["open_webui"] = config.apps.open_webui.enable
    found = {key: str(getattr(layout, key)) for key, want in wanted.items() if want}
    return found | {item.name: item.argv[0] for item in own(plan)}


def own(plan: Plan) -> Iterator[Placement]:
    """Models whose program is not the llama-server of [paths]: each program once."""
    seen: set[str] = set()
    if plan.library.config.services.runtime != "native":
        return
    for item in plan.placements:
        if (item.model.program or not item.model.is_plain) and item.argv[0] not in seen:
            seen.add(item.argv[0])
            yield item


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
            fix=f"{obtain(key, seen.tools)}; then set `{key}` in [paths]"
            if hasattr(plan.library.layout, key)
            else _fix(plan.placement(key)),
        )


def _fix(item: Placement) -> str:
    """What brings the program of one model."""
    if item.model.container is not None:
        return f"install {item.argv[0]}, or leave `container` out of [models.{item.name}]"
    if item.model.is_llama:
        return f"build it, or leave `llama_server` out of [models.{item.name}]"
    if "program" not in item.model.engine.keys:
        return f"install it, or correct `cmd` in [models.{item.name}]"
    return f"install it; then set `{item.model.engine.name}` in [paths] engines"


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


# Programs that schedule by memory themselves would know more than a count or a list of sets. None
# of the tested versions does: the router's option is llama.cpp's open pull request 21231, memory
# of each model llama-swap's open issue 1004.
BY_MEMORY = "--models-memory-margin"


def memory_scheduler(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Router mode: whether the installed server could keep models by memory, not by number."""
    counts = loader_of(plan.library.config.services).counts_models
    if not counts or "llama_server" not in needed(plan):
        return
    expected = (
        "no way of this build to keep more models than `models_max`, which the plan has proved"
    )
    ran = seen.ran.get("llama_server --help")
    if ran is None or ran.code != 0 or not ran.out:
        yield unknown("router-by-memory", "llama-server", expected, "`--help` could not be read")
        return
    yield judged(
        "router-by-memory",
        "llama-server",
        expected,
        f"it has `{BY_MEMORY}`" if BY_MEMORY in ran.out else "it has none",
        ok=BY_MEMORY not in ran.out,
        fix='`on_demand = "llama_swap"` keeps every set that fits until llmgen writes that option',
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
