"""Whether another machine's llmgen runs this one, beside an llm.toml that is gone afterwards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read
    from llmgen.layout import Layout

VARIABLE: Final = "LLMGEN_FROM_AFAR"


def is_from_afar() -> bool:
    """Whether it does: then what is installed has its llm.toml in the copy beside it."""
    return VARIABLE in os.environ


def has_its_copy(found: Read, place: Layout) -> bool:
    """Whether llm.toml is put beside what is installed, or is what was put there from afar.

    Who logs in on a host and asks with that file sees the same stack as from afar.
    """
    return is_from_afar() or _is_the_copy(found, place)


def _is_the_copy(found: Read, place: Layout) -> bool:
    from llmgen.render.header import OWNER, comment

    own = str(place.config / "llm.toml")
    return [str(Path(item.name).absolute()) for item in found.sources] == [own] and (
        found.sources[0].text.startswith(comment(OWNER))
    )


def config_names(found: Read, place: Layout) -> list[str]:
    """Where the llm.toml of an installed stack is, for whom it concerns later on."""
    if is_from_afar():
        return [str(place.config / "llm.toml")]
    return [str(Path(source.name).absolute()) for source in found.sources]
