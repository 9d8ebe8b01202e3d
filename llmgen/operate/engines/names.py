"""From a name that clients may send to the model that answers to it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from llmgen.errors import Diagnostic, InputError
from llmgen.library import Keep
from llmgen.plan.plan import Placement


def named(placements: Iterable[Placement], name: str) -> Placement:
    """The placement of a model's name, alias or variant; InputError with the nearest otherwise."""
    known = {other: item for item in placements for other in item.model.names}
    if name in known:
        return known[name]
    near = get_close_matches(name, known, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known) or 'none'}"
    raise InputError(Diagnostic("operate.no-model", f"no model answers to `{name}`", hint=hint))


def loadable(placements: Iterable[Placement], name: str) -> Placement:
    """The placement of a model that the engine loads; InputError for one that is always on."""
    found = named(placements, name)
    if found.keep is Keep.ALWAYS:
        raise InputError(
            Diagnostic(
                "operate.always-on",
                f"`{found.name}` is always on: a service of its own holds it",
                hint=f"`llmgen up {found.name}`, `llmgen down {found.name}`",
            )
        )
    return found
