"""What a stack cannot have in containers, each with the way out."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.tables.base import Secret
from llmgen.errors import Diagnostic
from llmgen.library import Keep, Model
from llmgen.plan.plan import Placement, Plan


def refusals(plan: Plan) -> Iterator[Diagnostic]:
    """Errors of a plan of the machine's own, before its containers are made."""
    machine = plan.library.machine
    if machine.backend == "metal" and machine.devices:
        yield Diagnostic(
            "containers.no-metal",
            "containers on a Mac run in a virtual machine, which has no GPU",
            ("services", "runtime"),
            hint='`runtime = "native"` in [services]; launchd starts the programs there',
        )
    for item in plan.placements:
        yield from _of_model(item)


def _of_model(item: Placement) -> Iterator[Diagnostic]:
    model = item.model
    key = ("models", model.name)
    if item.keep is Keep.ON_DEMAND and not model.is_plain:
        yield Diagnostic(
            "containers.on-demand-program",
            f"`{model.name}` would be started within llama-swap's container, where only "
            "llama-server is",
            key,
            hint='`keep = "always"` gives it a container of its own, with the `image` of its '
            "`container`",
        )
    elif model.container is None and (not model.is_llama or model.program):
        yield Diagnostic(
            "containers.no-image",
            f"nobody says which image has the program of `{model.name}`",
            key,
            hint=f'`container = {{ image = "…" }}` in [models.{model.name}]',
        )
    elif not model.is_llama and not model.program and _secret(model):
        yield Diagnostic(
            "containers.no-program",
            f"`{model.name}` is given a secret, for which its program has to be known",
            key,
            hint=f"the path within the image as `program` in [models.{model.name}]",
        )


def _secret(model: Model) -> bool:
    return any(isinstance(value, Secret) for value in model.environment.values())
