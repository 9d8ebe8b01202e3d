"""Bytes that the real allocator printed for models with public dimensions."""

from __future__ import annotations

import pytest
from making_facts import VECTORS, published

from llmgen.budget.context import Context, DraftRole, context
from llmgen.budget.settings import ServerSettings

WINDOW = "sliding window"
INDEXER = "indexer"
STATE = "recurrent state"


def name(row: dict) -> str:
    said = " ".join(f"{key}={value}" for key, value in row["settings"].items())
    return f"{row['model']} {said}"


def sized(row: dict) -> Context:
    settings = {"parallel": 1, "kv_unified": False, **row["settings"]}
    rollback = settings.pop("rollback", 0)
    return context(
        published(row["model"]), ServerSettings(**settings), role=DraftRole(rollback=rollback)
    )


def held(found: Context, *, only: str = "", but: tuple[str, ...] = ()) -> int:
    return sum(
        share.bytes_total
        for share in found.shares
        if only in share.what and not any(word in share.what for word in but)
    )


@pytest.mark.parametrize("row", VECTORS["rows"], ids=name)
def test_context_is_the_programs_own_to_the_byte(row: dict) -> None:
    found = sized(row)
    assert {
        "cells": found.counts.cells,
        "streams": found.counts.streams,
        "window_cells": found.counts.window_cells or None,
        "full": held(found, but=(WINDOW, INDEXER, STATE)),
        "window": held(found, only=WINDOW) or None,
        "indexer": held(found, only=INDEXER) or None,
        "state": held(found, only=STATE) or None,
    } == {key: row[key] for key in ("cells", "streams", "window_cells")} | {
        key: row[key] for key in ("full", "window", "indexer", "state")
    }
