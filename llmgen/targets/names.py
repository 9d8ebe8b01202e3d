"""Names of models as parts of file and unit names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from llmgen.errors import ConfigError, Diagnostic

_OTHERS = re.compile(r"[^a-z0-9._-]+")


def file_name(model: str) -> str:
    """The model's name as a part of file names: lower case, `-` for everything unusual."""
    return _OTHERS.sub("-", model.lower())


def file_names(models: Iterable[str]) -> dict[str, str]:
    """Each model's file name; ConfigError when two models would share one."""
    found: dict[str, str] = {}
    owners: dict[str, str] = {}
    clashes = []
    for model in models:
        found[model] = name = file_name(model)
        if name in owners:
            clashes.append(
                Diagnostic(
                    "targets.same-file-name",
                    f"the files of `{owners[name]}` and of `{model}` would both be called `{name}`",
                    ("models", model),
                    hint="rename one of the two models",
                )
            )
        owners[name] = model
    if clashes:
        raise ConfigError(clashes)
    return found
