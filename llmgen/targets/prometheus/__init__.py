"""Prometheus and Grafana: what is scraped, what wakes somebody up, what it looks like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from llmgen.artifacts import Artifact, Render
from llmgen.gateway.secrets import MANIFEST, Manifest, PlaceholderFile, absolute, placeholder
from llmgen.layout import expand
from llmgen.plan.plan import Plan
from llmgen.targets.prometheus.dashboard import dashboard
from llmgen.targets.prometheus.rules import groups
from llmgen.targets.prometheus.scrape import Job, jobs, key_file, keys, quiet

NAME = "prometheus"
SUMMARY = "scrape configuration, alert rules and a Grafana dashboard; only where it is switched on"


def in_use(plan: Plan) -> bool:
    """Only by choice: the stack runs as well without anybody who watches it."""
    return bool(plan.library.config.targets.prometheus.enable)


def artifacts(plan: Plan, render: Render) -> Iterator[Artifact]:
    """Files that Prometheus and Grafana read where they are, and the manifest of their keys."""
    if not plan.placements:
        return
    found, folder = [*jobs(plan)], key_folder(plan)
    asked = [(job, folder / key_file(job.key) if job.key else None) for job in found]
    mute = ", ".join(quiet(plan))
    values = {
        "jobs": asked,
        "interval": plan.library.config.targets.prometheus.interval,
        "quiet": f"`metrics = true` in llm.toml lets these be asked as well: {mute}"
        if mute
        else "",
    }
    for name in ("prometheus.yml", "llmgen.scrape.yml"):
        yield _artifact(name, render(f"prometheus/{name}.j2", **values))
    yield _artifact("llmgen.rules.yml", render("prometheus/rules.yml.j2", groups=groups(plan)))
    yield _artifact("dashboard.json", dashboard(plan))
    yield from _keys(plan, found, folder)


def key_folder(plan: Plan) -> PurePosixPath:
    """Where Prometheus reads the keys of what it scrapes."""
    told, layout = plan.library.config.targets.prometheus.keys, plan.library.layout
    if told is None:
        return layout.runtime / NAME
    return expand(told, layout.home, ("targets", "prometheus", "keys"))


def _keys(plan: Plan, found: list[Job], folder: PurePosixPath) -> Iterator[Artifact]:
    """`llmgen keys` fills each key into a file of its own; no file here has one."""
    wanted = {item.key for item in found if item.key}
    secrets = {
        name: absolute(secret, plan.library.layout)
        for name, secret in keys(plan).items()
        if name in wanted
    }
    for name in secrets:
        yield _artifact(f"secrets/{key_file(name)}", f"{placeholder(name)}\n".encode())
    if secrets:
        files = tuple(PlaceholderFile(key_file(name), "line") for name in secrets)
        manifest = Manifest(folder, files, secrets)
        yield _artifact(f"secrets/{MANIFEST}", manifest.content())


def _artifact(name: str, content: bytes) -> Artifact:
    return Artifact(PurePosixPath(NAME, name), content, NAME)
