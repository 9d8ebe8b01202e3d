"""Since when each loaded model has been idle, from the engines' own records of activity."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from llmgen.apply import files
from llmgen.errors import InputError
from llmgen.operate.engines.activity import FinishedRequest, finished
from llmgen.operate.engines.engine import OnDemandEngine
from llmgen.operate.engines.server import Endpoint, answer
from llmgen.operate.engines.swap import Loaded
from llmgen.operate.guard.evict import LoadedModel
from llmgen.operate.status import look

# What the router's servers had done at the last look: model -> (marks of its slots, since when).
LastSeen = Mapping[str, tuple[str, float]]


class Slots(Struct, frozen=True):
    """A server's slots: whether one works, and marks that differ after each request."""

    is_busy: bool
    marks: str


ASLEEP: Final = Slots(False, "asleep")


def candidates(
    found: OnDemandEngine, loaded: Sequence[Loaded], key: str, seen: LastSeen
) -> tuple[list[LoadedModel], dict[str, tuple[str, float]]]:
    """The loaded models with their idle times, and what to remember until the next look."""
    now = time.time()
    listed, remembered = [], {}
    for item in loaded:
        inside = found.endpoint.inside
        slots = _slots(Endpoint(item.url, key, inside)) if item.url else None
        since: float | None
        if found.name == "llama-swap":
            since = _last_use(found.endpoint, item)
        else:
            since = _unchanged_since(item, slots, seen, now)
            if slots is not None and since is not None:
                remembered[item.model] = (slots.marks, since)
        idle = None if since is None else max(0.0, now - since)
        listed.append(LoadedModel(item.model, item.state, slots is None or slots.is_busy, idle))
    return listed, remembered


def read_seen(path: Path) -> dict[str, tuple[str, float]]:
    """What the last look remembered; nothing when there was none."""
    try:
        rows = json.loads(path.read_bytes())
        return {str(name): (str(row[0]), float(row[1])) for name, row in rows.items()}
    except (OSError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        return {}


def write_seen(path: Path, seen: LastSeen) -> None:
    """Remember for the next look; without a place for it, the next one begins anew."""
    try:
        files.make_folder(path.parent)
        files.remove_file(files.temporary(path))
        files.write_file(path, json.dumps(dict(seen)).encode(), 0o600)
    except OSError:
        return


def _slots(endpoint: Endpoint) -> Slots | None:
    if look.is_asleep(endpoint):
        return ASLEEP
    try:
        found = answer(endpoint, "/slots")
    except InputError:
        return None
    known = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    marks = [(row.get("id"), row.get("id_task")) for row in known]
    return Slots(any(row.get("is_processing") for row in known), json.dumps(marks))


def last_use(endpoint: Endpoint, item: Loaded, found: Sequence[FinishedRequest]) -> float | None:
    """When llama-swap saw the model's last request end, or when its server was started."""
    started = _contained(item) if endpoint.inside else _started(item)
    known = [*(one.ended for one in found), *([started] if started is not None else [])]
    return max(known) if known else None


def _last_use(endpoint: Endpoint, item: Loaded) -> float | None:
    try:
        return last_use(endpoint, item, finished(endpoint, item.model))
    except InputError:
        return None


def _started(item: Loaded) -> float | None:
    port = item.url.rsplit(":", 1)[-1]
    if not port.isdigit():
        return None
    process = look.listeners([int(port)]).get(int(port))
    try:
        return psutil.Process(process.pid).create_time() if process else None
    except psutil.Error:
        return None


def _contained(item: Loaded) -> float | None:
    """The same of a server in a container, whose port is not the machine's: by its command."""
    words = shlex.split(item.command)
    for process in psutil.process_iter(["cmdline", "create_time"]):
        if words and process.info["cmdline"] == words:
            return float(process.info["create_time"])
    return None


def _unchanged_since(item: Loaded, slots: Slots | None, seen: LastSeen, now: float) -> float | None:
    """The router tells no times: a model is idle since its slots were last seen to change."""
    if slots is None:
        return None
    marks, since = seen.get(item.model, ("", now))
    return since if marks == slots.marks else now
