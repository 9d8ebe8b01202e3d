"""report.html and memory.svg: the plan to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from llmgen.artifacts import Artifact, Render
from llmgen.config.names import service_name
from llmgen.library import Keep
from llmgen.plan.plan import Plan
from llmgen.report.data import report
from llmgen.report.page import page
from llmgen.report.picture import PICTURE, picture
from llmgen.targets.launchd import label
from llmgen.targets.systemd import unit

NAME = "report"
SUMMARY = "report.html and memory.svg: the plan to look at; only where it is switched on"


def in_use(plan: Plan) -> bool:
    """Only by choice: `[targets.report] enable`, whatever the edition."""
    return bool(plan.library.config.targets.report.enable)


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """One page, and its bars as a picture that CONFIGURATION.md shows."""
    if not plan.placements:
        return
    made = report(plan, units=units(plan))
    yield Artifact(path=PurePosixPath("report.html"), content=page(made, render), target=NAME)
    yield Artifact(path=PurePosixPath(PICTURE), content=picture(made, render), target=NAME)


def units(plan: Plan) -> Mapping[str, str]:
    """What the service manager calls each always-on model; nothing where it is a container."""
    if plan.library.config.services.runtime != "native":
        return {}
    called = label if plan.library.machine.os == "macos" else unit
    return {
        item.name: called(service_name(item.name))
        for item in plan.placements
        if item.keep is Keep.ALWAYS
    }
