"""What a target is: a module with a name, a summary and a function from plan to files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from llmgen.artifacts import Artifact, Render
from llmgen.plan.plan import Plan


class TargetModule(Protocol):
    """A module is a target when it has these names; ``self`` does not count."""

    @property
    def NAME(self) -> str: ...  # noqa: N802

    @property
    def SUMMARY(self) -> str: ...  # noqa: N802

    def in_use(self, plan: Plan) -> bool:
        """Whether anything of this stack, or a person, reads the files."""
        ...

    def artifacts(self, plan: Plan, render: Render) -> Iterable[Artifact]: ...
