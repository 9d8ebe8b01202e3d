"""What every kind of object is made from: the cluster, and each program in its pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from llmgen.artifacts import Artifact, Render
from llmgen.cluster.cluster import Cluster, PodSet
from llmgen.cluster.copies import is_intercepted
from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.plan.plan import Plan
from llmgen.targets.containers.container import Container
from llmgen.targets.containers.files import files
from llmgen.targets.kubernetes import inside
from llmgen.targets.kubernetes.names import group
from llmgen.targets.kubernetes.priorities import priorities
from llmgen.targets.kubernetes.styles.forms import Form, form, surge_of_kserve


class App(Struct, frozen=True):
    """One controller's pods: ``name`` is that of the controller, its Service and its label.

    ``plan`` is the plan as the container sees it, ``files`` are what it reads, ``form`` is the kind
    of its controller.
    """

    name: str
    unit: PodSet
    plan: Plan
    container: Container
    files: tuple[Artifact, ...]
    form: Form = "deployment"

    @property
    def component(self) -> str:
        """What it is in the stack."""
        return self.unit.kind

    @property
    def group(self) -> str:
        """The file with its objects."""
        return group(self.name, front=self.unit.kind == "gateway")


class ClusterScene(Struct, frozen=True):
    """The cluster with everything that runs in it, ``apps`` in the order of llm.toml.

    ``priorities`` are those of apps in pools that have one.
    """

    cluster: Cluster
    apps: tuple[App, ...]
    priorities: Mapping[str, int] = field(default_factory=dict)

    @property
    def table(self) -> Kubernetes:
        """[kubernetes]."""
        return self.cluster.table

    def surge(self, app: App) -> int:
        """Pods of it that come before old ones go in a rolling update."""
        if app.form == "llm":
            return surge_of_kserve(app.unit.copies)
        if app.form == "group":
            return 0
        return self.cluster.pools[app.unit.pool].table.max_surge if app.unit.devices else 0

    def most(self, app: App) -> int:
        """Most pods of it: as many as are planned, which its nodes were proved to hold."""
        table = self.table.scale
        if not table.enable or app.unit.kind != "model" or table.max is None:
            return app.unit.copies
        return min(table.max, app.unit.copies)

    def replicas(self, app: App) -> int | None:
        """How many pods its controller has; None: KEDA says how many, and nobody else."""
        most, table = self.most(app), self.table.scale
        if self.is_intercepted(app):
            return None if most else 0
        follows = table.enable and table.by == "prometheus" and app.unit.kind == "model"
        return None if follows and table.min < most else most

    def is_intercepted(self, app: App) -> bool:
        """Whether gateways ask KEDA's interceptor instead of its pods."""
        return is_intercepted(self.cluster, app.unit)

    @property
    def serving(self) -> tuple[App, ...]:
        """Those with models."""
        return tuple(item for item in self.apps if item.unit.kind != "gateway")

    @property
    def gateways(self) -> tuple[App, ...]:
        """Envoy, LiteLLM."""
        return tuple(item for item in self.apps if item.unit.kind == "gateway")


def scene(cluster: Cluster, render: Render) -> ClusterScene:
    """Every program of the cluster; PlanError when any cannot run in a container."""
    inside.refuse(cluster)
    made = ClusterScene(cluster, tuple(_apps(cluster, render)))
    return replace(made, priorities=priorities(made))


def _apps(cluster: Cluster, render: Render) -> Iterator[App]:
    for unit in cluster.serving:
        plan = inside.inner(unit, cluster)
        for item in inside.containers(plan):
            kind = form(unit, plan, item, cluster.table.style)
            yield App(unit.name, unit, plan, item, tuple(files(plan, (item,), render)), kind)
    gateway = cluster.gateway
    if gateway is not None:
        plan = inside.of_gateway(cluster, gateway)
        for item in inside.containers(inside.inner(gateway, cluster)):
            yield App(item.host, gateway, plan, item, tuple(files(plan, (item,), render)))
