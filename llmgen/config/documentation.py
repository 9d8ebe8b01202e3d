"""What each key of llm.toml is for: the docstrings below the keys, read when somebody asks.

pydantic can do this while it makes the classes; that is a fifth of the time of a whole command.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache

from pydantic import BaseModel


@cache
def documentation(table: type[BaseModel]) -> dict[str, str]:
    """Key to docstring of a table, inherited keys included."""
    found: dict[str, str] = {}
    for base in reversed(table.__mro__):
        if base.__module__.startswith("llmgen."):
            found |= _docstrings(base)
    return found


def _docstrings(table: type) -> dict[str, str]:
    body = ast.parse(inspect.getsource(table)).body[0]
    if not isinstance(body, ast.ClassDef):
        return {}
    return {
        key.target.id: inspect.cleandoc(text.value.value)
        for key, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(key, ast.AnnAssign)
        and isinstance(key.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
