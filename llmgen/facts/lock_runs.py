"""What ``llmgen measure`` saw, in llm.lock: from JSON and into it."""

from __future__ import annotations

import re
from typing import Any, Final

from llmgen.facts.lock_model import Run
from llmgen.facts.lock_values import (
    CONTROL,
    SHA256,
    Wrong,
    check_keys,
    read_count,
    read_digest,
    read_each,
    read_mapping,
    read_text,
)

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_NEEDED: Final = frozenset({"settings", "date", "program", "peak_bytes"})


def parse_run(_: str, value: object) -> Run:
    """One measured model."""
    found = read_mapping(value)
    check_keys(found, _NEEDED, frozenset({"devices"}))
    date = read_digest(found["date"], _DATE, "date")
    if not date:
        raise Wrong("is no date", "date")
    return Run(
        settings=read_digest(found["settings"], SHA256, "settings"),
        date=date,
        program=_line("program", found["program"]),
        peak=read_each(read_mapping(found["peak_bytes"], "peak_bytes"), _bytes, "peak_bytes"),
        devices=read_each(read_mapping(found.get("devices", {}), "devices"), _line, "devices"),
    )


def show_run(run: Run) -> dict[str, Any]:
    """One measured model as JSON."""
    found: dict[str, Any] = {
        "settings": run.settings,
        "date": run.date,
        "program": run.program,
        "peak_bytes": run.peak,
    }
    return found | ({"devices": run.devices} if run.devices else {})


def _bytes(_: str, value: object) -> int:
    return read_count(value)


def _line(_: str, value: object) -> str:
    found = read_text(value)
    if CONTROL.search(found) or len(found) > 300:
        raise Wrong("is no line of text")
    return found
