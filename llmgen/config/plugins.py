"""pydantic without a look for plugins: llmgen has none, and the look is a thirtieth of a start."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

_LOADER: Final = "pydantic.plugin._loader"


class _NoPlugins(ModuleType):
    """In the place of the module that reads every installed package's entry points.

    That one brings importlib.metadata, email, socket and zipfile. Whatever else a newer pydantic
    may want of it comes from the real one.
    """

    @staticmethod
    def get_plugins() -> tuple[()]:
        """None, as with PYDANTIC_DISABLE_PLUGINS."""
        return ()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a module's attributes are anything
        if name.startswith("__"):
            raise AttributeError(name)
        del sys.modules[_LOADER]
        return getattr(import_module(_LOADER), name)


def look_for_none() -> None:
    """Do this before the first table is validated; a pydantic that has looked already is let be."""
    sys.modules.setdefault(_LOADER, _NoPlugins(_LOADER))
