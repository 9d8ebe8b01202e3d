"""A Makefile whose goals are llmgen's verbs: `make up`, `make logs`, `make download-20b`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from msgspec import Struct

from llmgen.artifacts import Artifact, Render
from llmgen.building.image import LABEL
from llmgen.building.recipe import PROGRAMS
from llmgen.config.names import file_name
from llmgen.plan.plan import Placement, Plan

NAME = "makefile"
SUMMARY = "Makefile: llmgen's verbs as goals of make"

# `20b`, `0.6b`: what people call a model of a family by.
_SIZE = re.compile(r"(?<![a-z0-9.])\d+(?:\.\d+)?b(?![a-z0-9])")


class MakeGoal(Struct, frozen=True):
    """One goal: its name, what it says of itself, and the words of its command."""

    name: str
    summary: str
    words: tuple[str, ...]


def in_use(plan: Plan) -> bool:
    """Nobody but people reads it, and only those who like make."""
    del plan
    return False


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """One Makefile; it finds llm.toml as llmgen does, in its folder or above."""
    if not plan.placements:
        return
    content = render(
        "makefile/Makefile.j2",
        verbs=_VERBS,
        downloads=[*_downloads(plan)],
        tools=PROGRAMS[1:],
        model=_usual(plan).name,
        program=plan.library.config.containers.program,
        label=f"{LABEL[0]}={LABEL[1]}",
    )
    yield Artifact(PurePosixPath(NAME, "Makefile"), content, NAME)


def _usual(plan: Plan) -> Placement:
    """The model that the tools are run on where none is named: the default chat model."""
    mine = [item for item in plan.placements if item.model.is_llama] or [*plan.placements]
    chat = [item for item in mine if item.model.role in ("chat", "vision", "completion")] or mine
    return next((item for item in chat if item.model.default), chat[0])


def _downloads(plan: Plan) -> Iterator[MakeGoal]:
    """A goal for each model, and a short one where its size is no other model's."""
    sizes = {item.name: _SIZE.search(item.name.casefold()) for item in plan.placements}
    alone = Counter(found[0] for found in sizes.values() if found)
    names = {file_name(item.name) for item in plan.placements}
    for item in plan.placements:
        goal = MakeGoal(f"download-{file_name(item.name)}", item.model.title, ("pull", item.name))
        yield goal
        size = sizes[item.name]
        if size and alone[size[0]] == 1 and size[0] not in names:
            yield MakeGoal(f"download-{size[0]}", item.model.title, goal.words)


_VERBS = (
    MakeGoal("build", "build llama.cpp or its images", ("build",)),
    MakeGoal("check", "validate llm.toml and plan", ("check",)),
    MakeGoal("show", "the plan", ("show",)),
    MakeGoal("generate", "write every configuration", ("generate",)),
    MakeGoal("install", "put it in place and start it", ("install",)),
    MakeGoal("uninstall", "stop it and take it away", ("uninstall",)),
    MakeGoal("up", "start the services", ("up",)),
    MakeGoal("down", "stop them", ("down",)),
    MakeGoal("restart", "restart them", ("restart",)),
    MakeGoal("status", "wanted, written, running", ("status",)),
    MakeGoal("health", "ask every loaded model for a few tokens", ("status", "--probe")),
    MakeGoal("logs", "what they say, until ^C", ("logs", "--follow")),
    MakeGoal("doctor", "compare the machine with the plan", ("doctor",)),
    MakeGoal("shell", "a shell where the programs are", ("shell",)),
    MakeGoal("bench", "measure the models", ("bench",)),
    MakeGoal("download", "download every model", ("pull",)),
    MakeGoal("models-info", "the models and their files", ("models", "list")),
    MakeGoal("list-binaries", "the programs that are there", ("tool", "--list")),
)
