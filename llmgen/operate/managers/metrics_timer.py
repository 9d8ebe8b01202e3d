"""What writes `llmgen status --prometheus` every minute: a timer, for where llm.toml is.

No target renders it, as with `sync`: it looks at the llm.toml of the machine on which somebody
installs, so that one which was changed and not installed shows as a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from llmgen.artifacts import Artifact, Render
from llmgen.config.config import Config
from llmgen.layout import Layout, expand
from llmgen.operate.installation.steps import Words
from llmgen.plan.plan import Plan
from llmgen.render.quoting import systemd as quoted
from llmgen.render.quoting import systemd_argv
from llmgen.targets import launchd, systemd

TARGET: Final = "install"
SERVICE, TIMER = "llmgen-metrics.service", "llmgen-metrics.timer"
AGENT: Final = "llmgen.metrics.plist"
FILE: Final = "llmgen.prom"
INTERVAL_SECONDS: Final = 60
# Root looks at the services of a system, since their list is root's: it reads, and writes one file.
_SYSTEM: Final = (
    ("CapabilityBoundingSet", "CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_SYS_PTRACE"),
    ("PrivateTmp", "yes"),
    ("ProtectHome", "read-only"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectSystem", "strict"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
)


def textfile(config: Config, layout: Layout) -> PurePosixPath | None:
    """The file that node_exporter reads; None where llm.toml names no folder."""
    told = config.targets.prometheus.textfiles
    if told is None:
        return None
    return expand(told, layout.home, ("targets", "prometheus", "textfiles")) / FILE


def metrics_words(program: str, configs: Sequence[Path], file: PurePosixPath) -> Words:
    """The command of the timer."""
    named = [word for path in configs for word in ("-c", str(path))]
    return (program, *named, "status", "--prometheus", "-o", str(file))


def metrics_timer(plan: Plan, configs: Sequence[Path], render: Render) -> Iterator[Artifact]:
    """The files of the timer; nothing where llm.toml names no folder."""
    layout = plan.library.layout
    file = textfile(plan.library.config, layout)
    if file is None:
        return
    words = metrics_words(str(layout.llmgen), configs, file)
    if plan.library.machine.os == "macos":
        job = {
            "Label": launchd.label("metrics"),
            "ProgramArguments": [*words],
            "EnvironmentVariables": {"PATH": launchd.PATH},
            "StartInterval": INTERVAL_SECONDS,
            "StandardErrorPath": str(layout.state / "logs" / "metrics.log"),
        }
        yield _artifact(layout.agents / AGENT, launchd.document(job))
        return
    own = (
        () if layout.scope == "user" else (*_SYSTEM, ("ReadWritePaths", quoted(f"-{file.parent}")))
    )
    command = systemd_argv(words)
    service = render("systemd/llmgen-metrics.service.j2", command=command, lines=own)
    yield _artifact(layout.units / SERVICE, service)
    when = {"interval": INTERVAL_SECONDS, "target": systemd.TARGET}
    yield _artifact(layout.units / TIMER, render("systemd/llmgen-metrics.timer.j2", **when))


def is_of_metrics(item: Artifact) -> bool:
    """Whether an artifact is one of these files."""
    return item.path.name in (SERVICE, TIMER, AGENT)


def _artifact(place: PurePosixPath, content: bytes) -> Artifact:
    return Artifact(PurePosixPath(TARGET, place.name), content, TARGET, install=place)
