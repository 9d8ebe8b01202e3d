"""What a stack wants of the machine itself: kernel, devices, accounts, limits, firewall."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from llmgen.artifacts import Artifact, Render
from llmgen.plan.plan import Plan
from llmgen.targets.host.files import files

NAME = "host"
SUMMARY = "settings of the machine itself, for `llmgen host`; only where it is switched on"


def in_use(plan: Plan) -> bool:
    """Only by choice: `llmgen host` prints and installs the same files at any time."""
    return bool(plan.library.config.targets.host.enable)


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """The files by their places below ``host/``; `llmgen install` puts none of them in place."""
    if not plan.placements:
        return
    for item in files(plan, render):
        place = item.kind.place
        path = PurePosixPath(NAME, place.relative_to("/") if place.is_absolute() else place)
        yield Artifact(path, item.content, NAME)
