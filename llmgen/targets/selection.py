"""Which targets are rendered: those asked for, else those switched on, else what the stack uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from llmgen.config.editions import EDITIONS
from llmgen.errors import ConfigError, Diagnostic
from llmgen.plan.plan import Plan
from llmgen.targets import (
    TARGETS,
    compose,
    containerfile,
    envoy,
    host,
    litellm,
    llama_server,
    llama_swap,
    makefile,
    prometheus,
    quadlet,
    report,
)
from llmgen.targets.base import TargetModule

# What cannot run without its files, and how llm.toml says that it shall not run.
_RUNS_FROM: Final = {
    llama_swap.NAME: 'another `on_demand` in [services], as "router"',
    llama_server.NAME: '`keep = "on_demand"` for every model, and `on_demand = "llama_swap"`',
    envoy.NAME: "`enable = false` in [gateway.envoy]",
    litellm.NAME: "`enable = false` in [gateway.litellm]",
    compose.NAME: "another `runtime` in [services]",
    quadlet.NAME: "another `runtime` in [services]",
}
# Targets that came after edition 1, which renders all that it knew.
LATER: Final = frozenset(
    {
        compose.NAME,
        quadlet.NAME,
        containerfile.NAME,
        makefile.NAME,
        report.NAME,
        host.NAME,
        prometheus.NAME,
    }
)


def selected(plan: Plan, asked: Sequence[str] = ()) -> tuple[TargetModule, ...]:
    """The targets to render; ``asked`` are named on the command line and win.

    Raises ConfigError when one is switched off whose files the stack runs from.
    """
    if asked:
        return tuple(target for name, target in TARGETS.items() if name in asked)
    if refused := [*_needed(plan)]:
        raise ConfigError(refused)
    return tuple(target for name, target in TARGETS.items() if _is_on(plan, name, target))


def key(name: str) -> str:
    """A target's name as llm.toml writes it."""
    return name.replace("-", "_")


def _told(plan: Plan, name: str) -> bool | None:
    enable: bool | None = getattr(plan.library.config.targets, key(name)).enable
    return enable


def _is_on(plan: Plan, name: str, target: TargetModule) -> bool:
    told = _told(plan, name)
    if told is not None:
        return told
    config = plan.library.config
    everything = EDITIONS[config.edition].renders_unused and config.services.runtime == "native"
    return (everything and name not in LATER) or target.in_use(plan)


def _needed(plan: Plan) -> Iterator[Diagnostic]:
    for name, remedy in _RUNS_FROM.items():
        if _told(plan, name) is False and TARGETS[name].in_use(plan):
            yield Diagnostic(
                "targets.needed",
                f"the files of `{key(name)}` are switched off, and this stack runs from them",
                ("targets", key(name), "enable"),
                hint=f"leave `enable` out, or {remedy}",
            )
