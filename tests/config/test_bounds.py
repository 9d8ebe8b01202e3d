"""A key's own bounds hold beside those of its type, whichever are narrower."""

import importlib
import inspect
import pkgutil

import pytest
from annotated_types import Ge, Le
from pydantic import BaseModel, ValidationError

from llmgen.config import tables


def narrowed():
    """Fields that say bounds of their own over those of their type."""
    modules = (
        importlib.import_module(f"{tables.__name__}.{item.name}")
        for item in pkgutil.iter_modules(tables.__path__)
    )
    found = {
        table
        for module in modules
        for table in vars(module).values()
        if inspect.isclass(table) and issubclass(table, BaseModel)
    }
    for table in sorted(found, key=lambda item: item.__name__):
        for name, field in table.model_fields.items():
            least = [item.ge for item in field.metadata if isinstance(item, Ge)]
            most = [item.le for item in field.metadata if isinstance(item, Le)]
            if len(least) > 1:
                yield table, name, max(least) - 1
            if len(most) > 1:
                yield table, name, min(most) + 1


@pytest.mark.parametrize(
    ("table", "name", "beyond"),
    [*narrowed()],
    ids=lambda item: item.__name__ if inspect.isclass(item) else str(item),
)
def test_what_is_beyond_a_keys_own_bound_is_refused(table, name, beyond):
    with pytest.raises(ValidationError) as caught:
        table.model_validate({name: beyond})
    assert (name,) in [item["loc"] for item in caught.value.errors()]


def test_there_are_such_keys():
    assert len([*narrowed()]) >= 6
