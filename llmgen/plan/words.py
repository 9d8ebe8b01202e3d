"""Edits of llm.toml and lists of models as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from llmgen.plan.rewrite import Edit

NO_WAY = "no change that llmgen knows fits by itself"


def listed(models: Sequence[str]) -> str:
    """`a`, `b` and `c`."""
    quoted = [f"`{name}`" for name in models]
    return " and ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1]))) if quoted else "nothing"


def edit_words(edits: Iterable[Edit]) -> str:
    """The keys to set, by the table that they stand in."""
    return ", ".join(_tables(edits))


def _tables(edits: Iterable[Edit]) -> Iterator[str]:
    for table, inside in groupby(edits, key=lambda edit: edit[0][:-1]):
        keys = " and ".join(f"`{key[-1]} = {text}`" for key, text in inside)
        where = f"for `{table[1]}`" if table[0] == "models" else f"in [{'.'.join(map(str, table))}]"
        yield f"{keys} {where}"
