"""What llama-swap's events tell: requests under way, and who left memory why."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Any, Final

from llmgen.operate.engines.departures import ENDED, Departure, made_room
from llmgen.operate.engines.server import AGENT, GUARD

# A reason is the log line that llama-swap writes before or after it; where its log level leaves
# these out, the states alone are left.
_EVICTS: Final = re.compile(r"matrix: model=(.+) set=\S+ dsl=.* evict=\[(.*)\] target=")
_IDLE: Final = re.compile(r"<(.+)> Unloading model, TTL of (\d+)s reached")
_ENDED: Final = re.compile(r"<(.+)> upstream process exited unexpectedly")
_ASKED: Final = re.compile(r'"POST /api/models/unload(?:/(\S*))? HTTP/[0-9.]+" 200 \d+ "(.*)" \S+$')
# More requests than an engine has under way; a stream that tells of more is not believed.
_MOST_REQUESTS: Final = 10_000


class SwapNews:
    """Everything that the events since the connection say; filled by one thread, read by another.

    ``is_first`` lines are llama-swap's memory of before the connection: their time is not known.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = Lock()
        self._departures: dict[str, Departure] = {}
        self.finished = 0
        self._requests: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        # Whose reason is only what the states suggest, until a line tells.
        self._guessed: set[str] = set()
        self._rest = ""
        self._is_first = True

    def waiting(self) -> dict[str, int]:
        """Requests under way for each model: those that are answered, and those that wait."""
        with self._lock:
            return dict(Counter(self._requests.values()))

    def departures(self) -> dict[str, Departure]:
        """Why each left memory the last time, the last one last.

        Of what was before the connection the time is not known.
        """
        with self._lock:
            return dict(self._departures)

    def take(self, event: Mapping[str, Any], at: float) -> None:
        """One event at a monotonic time; what is none of those that matter is left."""
        data = _inner(event.get("data"))
        with self._lock:
            self._take(event.get("type"), data, at)

    def _take(self, kind: object, data: Any, at: float) -> None:  # noqa: ANN401 - JSON
        match kind, data:
            case "logData", {"source": "proxy", "data": str() as text}:
                self._log(text)
            case "modelStatus", list():
                self._status(data, at)
            case "inflight", dict():
                self._inflight(data)
            case "activity", _:
                self.finished += 1
            case _:
                pass

    def _inflight(self, data: Mapping[str, Any]) -> None:
        match data:
            case {"operation": "snapshot"}:
                listed = data.get("requests")
                rows = listed if isinstance(listed, list) else []
                known = [item for item in rows if isinstance(item, dict)]
                self._requests = {str(item.get("id")): str(item.get("model")) for item in known}
            case {"operation": "upsert", "request": {"id": identity, "model": model}}:
                if len(self._requests) < _MOST_REQUESTS:
                    self._requests[str(identity)] = str(model)
            case {"operation": "remove", "id": identity}:
                self._requests.pop(str(identity), None)
            case _:
                pass

    def _status(self, listed: list[Any], at: float) -> None:
        rows = [item for item in listed if isinstance(item, dict) and not item.get("peerID")]
        now = {str(item.get("id")): str(item.get("state")) for item in rows}
        starting = [name for name, state in now.items() if state == "starting"]
        for name, state in now.items():
            if self._states.get(name) != "ready" or state not in ("stopping", "stopped"):
                continue
            wants = starting or [
                other for other in {*self._requests.values()} if now.get(other) == "stopped"
            ]
            told = self._reasons.pop(name, "")
            why = told or made_room([other for other in wants if other != name])
            self._note(Departure(name, why, at))
            (self._guessed.discard if told else self._guessed.add)(name)
        self._states, self._is_first = now, False

    def _note(self, item: Departure) -> None:
        """Keep it as the last one."""
        self._departures.pop(item.model, None)
        self._departures[item.model] = item

    def _log(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        self._rest = self._rest[-65536:]
        for line in lines:
            for model, why in _reasons(line):
                self._explain(model, why)

    def _explain(self, model: str, why: str) -> None:
        """Keep a reason for the change of state that follows, or add it to the one that came."""
        if self._is_first and model:
            self._note(Departure(model, why))
        elif self._states.get(model) == "ready":
            self._reasons[model] = why
        for name in [name for name in self._guessed if model in (name, "")]:
            self._departures[name] = Departure(name, why, self._departures[name].at)
            self._guessed.discard(name)


def _reasons(line: str) -> list[tuple[str, str]]:
    if found := _EVICTS.search(line):
        return [(name, made_room([found[1]])) for name in found[2].split()]
    if found := _IDLE.search(line):
        return [(found[1], f"nobody asked for it for {found[2]} s")]
    if found := _ENDED.search(line):
        return [(found[1], ENDED)]
    if found := _ASKED.search(line):
        # Without a name all of them went.
        return [(found[1] or "", _BY.get(found[2], "a client unloaded it"))]
    return []


_BY: Final = {AGENT: "`llmgen` unloaded it", GUARD: "memory was short: `llmgen guard` unloaded it"}


def _inner(data: object) -> Any:  # noqa: ANN401 - JSON within JSON
    if not isinstance(data, str):
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
