"""Who of the stack tells of itself, where, and under which labels Prometheus has its series."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from llmgen.plan.plan import Plan
from llmgen.targets.kubernetes import keys
from llmgen.targets.kubernetes.scene import App, ClusterScene
from llmgen.targets.prometheus import scrape

# Envoy's own port for it; what it serves besides are pages of its administration.
METRICS = "metrics"
_ENVOY = "llmgen-envoy"


class ScrapeJob(Struct, frozen=True):
    """How an app is asked: the job, the name of its port, the page, an entry of the Secret."""

    job: str
    port: str
    path: str
    entry: str = ""

    @property
    def label(self) -> str:
        """The label that says who it is."""
        return "model" if self.job in ("llmgen-server", "llmgen-engine") else "service"


def told(app: App) -> Iterator[ScrapeJob]:
    """What of an app Prometheus asks, as it would on one machine."""
    secrets = scrape.keys(app.plan)
    for job in scrape.jobs(app.plan):
        # A gateway's plan has the servers as well.
        if app.unit.kind == "gateway" and job.name != f"llmgen-{app.container.name}":
            continue
        entry = keys.entry(secrets[job.key]) if job.key else ""
        yield ScrapeJob(job.name, METRICS if job.name == _ENVOY else "http", job.path, entry)


def metrics_port(app: App) -> int | None:
    """The port of an app's metrics alone."""
    if app.unit.kind != "gateway" or app.container.name != "envoy":
        return None
    return app.plan.library.config.gateway.envoy.metrics_port


def watched(scene: ClusterScene) -> Plan:
    """The whole stack as one plan, for rules and pictures: its series are those of the namespace.

    PodMonitors give each series the label `host`, by which rules know a machine: the namespace.
    """
    first = scene.gateways[0] if scene.gateways else scene.apps[0]
    placed = {item.name: item for app in scene.serving for item in app.plan.placements}
    library = first.plan.library
    return replace(
        first.plan,
        library=replace(
            library,
            machine=replace(library.machine, host=scene.table.namespace),
            models=tuple(item.model for item in placed.values()),
        ),
        placements=tuple(placed.values()),
    )
