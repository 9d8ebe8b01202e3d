"""Envoy: one listener in front of every model, as files that are taken up without a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from llmgen.artifacts import Artifact, Render
from llmgen.config.names import file_name
from llmgen.config.tables.gateway import Tls
from llmgen.config.tables.spares import ShownCertificate
from llmgen.gateway.addresses import listens
from llmgen.gateway.command import DRAIN_SECONDS
from llmgen.gateway.remotes import HOP
from llmgen.gateway.routes import RouteTable, routes
from llmgen.gateway.secrets import (
    MANIFEST,
    Manifest,
    PlaceholderFile,
    absolute,
    backend_secrets,
    placeholder,
)
from llmgen.layout import expand
from llmgen.plan.plan import Plan
from llmgen.targets.envoy.clusters import certificates, clusters, shown_name
from llmgen.targets.envoy.failover import failovers, way_back, ways_out
from llmgen.targets.envoy.listener import inside, listener
from llmgen.targets.envoy.routing import groups, last_answers, listing

NAME = "envoy"
SUMMARY = "gateway: one address for every model, by name, path and key"

# A gateway that holds many large bodies at once stops taking more, instead of being killed.
HEAP_BYTES = 2**30
# How a change is written: a route never names a cluster that is not there yet.
ORDER = ("cds.yaml", "rds.yaml", "lds.yaml")


class DynamicFiles(Struct, frozen=True):
    """Where Envoy reads its dynamic files: the private folder that ``llmgen keys`` fills."""

    folder: str

    @property
    def cds(self) -> str:
        """Clusters."""
        return f"{self.folder}/cds.yaml"

    @property
    def rds(self) -> str:
        """Routes and client keys."""
        return f"{self.folder}/rds.yaml"

    @property
    def lds(self) -> str:
        """The listener."""
        return f"{self.folder}/lds.yaml"

    def sds(self, secret: str) -> str:
        """One secret: Envoy takes no file with several."""
        return f"{self.folder}/{secret_file(secret)}"


class SecretView(Struct, frozen=True):
    """One entry of the secret service: a backend's key, or the listener's certificate."""

    name: str
    value: str = ""
    tls: dict[str, str] | None = None


def in_use(plan: Plan) -> bool:
    """Whether Envoy is enabled; in containers its files lie beside theirs."""
    config = plan.library.config
    return config.gateway.envoy.enable and config.services.runtime == "native"


def artifacts(plan: Plan, render: Render) -> Iterator[Artifact]:
    """The dynamic set, the static form for validation, the keys' manifest and the drain script."""
    table = routes(plan)
    values = _values(plan, table)
    secrets = values["secrets"]
    for name in ("envoy.yaml", "static.yaml"):
        yield _artifact(plan, name, render(f"envoy/{name}.j2", **values))
    for secret in secrets:
        content = render("envoy/sds.yaml.j2", secret=secret)
        yield _artifact(plan, secret_file(secret.name), content)
    for name in ORDER:
        yield _artifact(plan, name, render(f"envoy/{name}.j2", **values))
    dynamic = [*(secret_file(item.name) for item in secrets), *ORDER]
    yield _artifact(plan, MANIFEST, manifest(plan, table, dynamic).content())
    script = render(
        "envoy/drain.sh.j2",
        folder=values["files"].folder,
        admin_url=f"http://127.0.0.1:{values['admin_port']}",
        seconds=DRAIN_SECONDS,
        port=values["admin_port"] if plan.library.contained else None,
    )
    yield _artifact(plan, "drain.sh", script, mode=0o755)


def secret_file(name: str) -> str:
    """The file of one secret of the secret service."""
    return f"sds-{file_name(name)}.yaml"


def manifest(plan: Plan, table: RouteTable, files: list[str]) -> Manifest:
    """What fills the dynamic files."""
    clients = {
        f"client.{key.name}": key.secret for key in plan.library.config.gateway.envoy.api_keys
    }
    wanted = {item.secret for item in table.backends if item.secret}
    wanted |= {one.key for item in table.backends for one in item.failover if one.key}
    served = {name: item for name, item in backend_secrets(plan).items() if name in wanted}
    return Manifest(
        into=plan.library.host.runtime / "envoy",
        files=tuple(PlaceholderFile(name, "yaml") for name in files),
        secrets={
            name: absolute(item, plan.library.host) for name, item in {**clients, **served}.items()
        },
        distinct=tuple(clients),
        owner=plan.library.owner,
    )


def _values(plan: Plan, table: RouteTable) -> dict[str, Any]:
    envoy = plan.library.config.gateway.envoy
    folder = plan.library.layout.runtime / "envoy"
    found, back = listener(plan, table), way_back(table.backends, str(folder))
    return {
        "files": DynamicFiles(str(folder)),
        "admin_port": envoy.admin_port,
        "metrics": envoy.metrics_port,
        "metrics_address": listens(plan.library),
        "heap": HEAP_BYTES,
        "listener": found,
        "inside": inside(found, back.path) if back else None,
        "ways": ways_out(table.backends, str(folder)),
        "failovers": failovers(table.backends, str(folder), envoy.queue),
        "hop": HOP,
        "groups": groups(table),
        "listing": listing(table.backends),
        "last_answers": last_answers(),
        "clusters": clusters(plan, table.backends),
        "secrets": tuple(_secrets(plan, table)),
    }


def _secrets(plan: Plan, table: RouteTable) -> Iterator[SecretView]:
    keys = [item.secret for item in table.backends]
    keys += [one.key for item in table.backends for one in item.failover]
    for name in dict.fromkeys(filter(None, keys)):
        yield SecretView(name, f"Bearer {placeholder(name)}")
    for shown in certificates(table.backends):
        yield _certificate(plan, shown_name(shown), shown, ("paths", "home"))
    tls = plan.library.config.gateway.envoy.tls
    if tls is not None:
        yield _certificate(plan, "listener", tls, ("gateway", "envoy", "tls"))


def _certificate(
    plan: Plan, name: str, pair: Tls | ShownCertificate, at: tuple[str, ...]
) -> SecretView:
    layout = plan.library.layout
    cert = layout.config / expand(pair.cert, layout.home, (*at, "cert"))
    key = layout.config / expand(pair.key, layout.home, (*at, "key"))
    return SecretView(name, tls={"cert": str(cert), "key": str(key), "folder": str(cert.parent)})


def _artifact(plan: Plan, name: str, content: bytes, mode: int = 0o644) -> Artifact:
    path, enabled = PurePosixPath(NAME, name), plan.library.config.gateway.envoy.enable
    return Artifact(
        path, content, NAME, mode, plan.library.layout.config / path if enabled else None
    )
