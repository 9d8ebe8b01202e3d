"""References to secrets as environment variables; their values appear in no generated file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from llmgen.config.tables.base import Secret
from llmgen.errors import ConfigError, Diagnostic, PlanError
from llmgen.library import Model


class SecretVariables(Struct, frozen=True):
    """Variables with their values, and variables whose values stand somewhere else."""

    plain: tuple[tuple[str, str], ...]
    secret: tuple[tuple[str, Secret], ...]


def variable(secret: Secret) -> str:
    """The environment variable that carries it to a program that llmgen starts."""
    if secret.env is not None:
        return secret.env
    source = secret.file or secret.credential or ""
    return "LLMGEN_SECRET_" + re.sub(r"[^A-Z0-9]+", "_", source.upper()).strip("_")


def plain(environment: Mapping[str, str | Secret]) -> tuple[tuple[str, str], ...]:
    """The variables whose values stand in llm.toml."""
    return tuple((name, value) for name, value in environment.items() if isinstance(value, str))


def secret(environment: Mapping[str, str | Secret]) -> tuple[tuple[str, Secret], ...]:
    """The variables whose values stand somewhere else."""
    return tuple((name, value) for name, value in environment.items() if isinstance(value, Secret))


def of_models(models: Iterable[Model]) -> tuple[tuple[str, Secret], ...]:
    """Every secret of these models under the variable that carries it, each once."""
    return carried(item for model in models for _, item in secret(model.environment))


def carried(secrets: Iterable[Secret]) -> tuple[tuple[str, Secret], ...]:
    """Each secret once, under the variable that carries it; ConfigError when two would share it."""
    found: dict[str, Secret] = {}
    for item in secrets:
        other = found.setdefault(variable(item), item)
        # What is itself is equal: only of two that share a variable values are compared.
        if other is not item and other != item:
            raise ConfigError(
                Diagnostic(
                    "targets.same-variable",
                    f"the secrets {spoken(other)} and {spoken(item)} would both be called "
                    f"`{variable(item)}`",
                    hint="rename one of the two",
                )
            )
    return tuple(found.items())


def spoken(item: Secret) -> str:
    """A secret as llm.toml says where it is."""
    return ", ".join(
        f"`{kind} = {name}`" for kind, name in item.model_dump(exclude_none=True).items()
    )


def shared_environment(models: Iterable[Model]) -> SecretVariables:
    """The one environment that router mode gives to all models; PlanError when they differ."""
    found: dict[str, str | Secret] = {}
    clashes = []
    for model in models:
        for name, value in model.environment.items():
            if found.setdefault(name, value) != value:
                clashes.append(
                    Diagnostic(
                        "router.environment",
                        f"`{name}` of `{model.name}` has another value than that of another model, "
                        "and router mode has one environment for all",
                        ("models", model.name, "environment", name),
                        hint='give all models the same value, or `on_demand = "llama_swap"`',
                    )
                )
    if clashes:
        raise PlanError(clashes)
    return SecretVariables(plain(found), secret(found))
