"""Names of models as parts of file and unit names."""

from __future__ import annotations

from collections.abc import Iterable

from llmgen.config.names import file_name
from llmgen.errors import ConfigError, Diagnostic


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
