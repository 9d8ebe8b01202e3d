"""One look after another at the running stack, and what only shows between two of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from llmgen.config.names import service_name
from llmgen.errors import InputError
from llmgen.library import Keep
from llmgen.operate.engines.activity import FinishedRequest, finished
from llmgen.operate.engines.departures import RESTARTED, Departure, departed
from llmgen.operate.engines.engine import OnDemandEngine, engine
from llmgen.operate.engines.idle import last_use
from llmgen.operate.engines.queue import deferred
from llmgen.operate.engines.server import Endpoint, secret
from llmgen.operate.engines.swap import Loaded
from llmgen.operate.status import rows
from llmgen.operate.status.asking import Asking
from llmgen.operate.status.comparison import Standing, WrittenFiles, standing
from llmgen.operate.status.observations import Observed
from llmgen.operate.status.rows import ModelStatus
from llmgen.operate.status.stack import as_run, expected
from llmgen.plan.plan import Placement, Plan
from llmgen.top.feed import Feed
from llmgen.top.moment import LiveModel, Moment
from llmgen.top.rates import Works, rate, works

# Installed files change by hand or by `install`, and comparing them takes as long as a look.
DRIFT_SECONDS: Final = 30.0


class Collector:
    """Looks at one stack; keeps what the last look saw."""

    def __init__(self, placed: Plan, asking: Asking, written: Callable[[], WrittenFiles]) -> None:
        """``written`` compares the installed files with llm.toml."""
        self._placed, self._run = placed, as_run(placed, asking.site)
        self._asking, self._written = asking, written
        self._compared, self._compared_at = WrittenFiles(), -DRIFT_SECONDS
        self._expected = {item.service.name: item for item in expected(placed, asking.site)}
        self._engine = _engine(placed)
        self._feed = _feed(self._engine)
        self._number, self._at = 0, 0.0
        self._works: Works = {}
        self._states: dict[str, str] = {}
        self._pids: dict[str, int] = {}
        self._departures: dict[str, Departure] = {}
        self._finished: dict[str, list[FinishedRequest]] = {}
        self._counted = -1

    def look(self) -> Moment:
        """Everything as it is now."""
        at = time.monotonic()
        if at - self._compared_at >= DRIFT_SECONDS:
            self._compared, self._compared_at = self._written(), at
        found = standing(self._placed, self._asking, self._compared)
        if self._feed is not None:
            self._feed.allow(found.seen.engine_health == "ok")
        self._remember(found, at)
        moment = Moment(
            self._number,
            time.strftime("%H:%M:%S"),
            self._placed.library.machine.host,
            self._engine.name if self._engine else "",
            found.seen.engine_health,
            tuple(rows.pools(self._run, found.seen)),
            tuple(self._models(found, at)),
            found.services,
            found.differences,
            next(reversed(self._departures), ""),
        )
        self._works, self._at = works(found.seen.answers), at
        return moment

    def close(self) -> None:
        """Look no more."""
        if self._feed is not None:
            self._feed.close()

    def _remember(self, found: Standing, at: float) -> None:
        """Who left since the last look: llama-swap tells why, otherwise states have to do."""
        self._number += 1
        states = {row.name: row.state for row in found.models}
        always = {row.name for row in found.models if row.keep == Keep.ALWAYS.value}
        news = self._feed.news if self._feed is not None else None
        told = news.departures() if news is not None else {}
        for item in departed(self._states, states, at, always) if self._states else ():
            if item.model not in told:
                self._note(item)
        for item in told.values():
            if item.at is not None or item.model not in self._departures:
                self._note(item)
        self._states = states
        self._note_restarts(found, always, at)
        self._refresh_finished(found.seen, news.finished if news is not None else None)

    def _note_restarts(self, found: Standing, always: Collection[str], at: float) -> None:
        """A server that fell and came back between two looks has another process."""
        pids = {row.name: row.pid for row in found.services if row.pid}
        for name in always:
            before, now = (known.get(service_name(name), 0) for known in (self._pids, pids))
            if before and now and before != now:
                self._note(Departure(name, RESTARTED, at))
        self._pids = {**self._pids, **pids}

    def _note(self, item: Departure) -> None:
        """Keep it as the last one."""
        if self._departures.get(item.model) != item:
            self._departures.pop(item.model, None)
            self._departures[item.model] = item

    def _refresh_finished(self, seen: Observed, counted: int | None) -> None:
        """Ask llama-swap for the last requests only when another one has ended."""
        own = self._engine
        if own is None or own.name != "llama-swap" or not seen.loaded:
            return
        is_known = counted is not None and counted == self._counted
        for item in seen.loaded:
            if is_known and item.model in self._finished:
                continue
            try:
                self._finished[item.model] = finished(own.endpoint, item.model)
            except InputError:
                self._finished.pop(item.model, None)
        self._counted = -1 if counted is None else counted

    def _models(self, found: Standing, at: float) -> list[LiveModel]:
        placements = {item.name: item for item in self._run.placements}
        loaded = {item.model: item for item in found.seen.loaded or ()}
        news = self._feed.news if self._feed is not None else None
        asked = news.waiting() if news is not None else None
        return [
            self._model(
                row,
                placements[row.name],
                loaded.get(row.name),
                seen=found.seen,
                asked=asked,
                seconds=at - self._at,
            )
            for row in found.models
        ]

    def _model(
        self,
        row: ModelStatus,
        placement: Placement,
        loaded: Loaded | None,
        *,
        seen: Observed,
        asked: Mapping[str, int] | None,
        seconds: float,
    ) -> LiveModel:
        answer = seen.answers.get(row.name)
        work = answer.work if answer else ()
        left = self._departures.get(row.name)
        requests = self._finished.get(row.name) or []
        return LiveModel(
            row,
            placement.model.pin,
            answer.health if answer else "",
            queue=self._queue(row, loaded, seen, asked),
            tokens_per_second=rate(self._works.get(row.name, ()), work, seconds),
            last_tokens_per_second=next(
                (item.tokens_per_second for item in requests if item.tokens_per_second), None
            ),
            ttl_left=self._ttl_left(row, loaded, requests),
            left=left.why if left else "",
            left_seconds=self._at_least(left),
        )

    def _at_least(self, left: Departure | None) -> float | None:
        return None if left is None or left.at is None else max(0.0, time.monotonic() - left.at)

    def _queue(
        self,
        row: ModelStatus,
        loaded: Loaded | None,
        seen: Observed,
        asked: Mapping[str, int] | None,
    ) -> int | None:
        """What waits in front of the engine, else in the server itself where that counts."""
        if asked is not None and row.keep != Keep.ALWAYS.value:
            return max(0, asked.get(row.name, 0) - row.busy)
        answer = seen.answers.get(row.name)
        if answer is None or not answer.has_metrics:
            return None
        at = self._endpoint(row, loaded)
        return deferred(at) if at is not None and at.url else None

    def _endpoint(self, row: ModelStatus, loaded: Loaded | None) -> Endpoint | None:
        """Where the model's own server was asked by this look."""
        key = secret(self._run.library.config.services.api_key, self._run.library.config)
        if loaded is not None:
            return Endpoint(loaded.url, key, self._engine.endpoint.inside if self._engine else ())
        own = self._expected.get(service_name(row.name))
        return None if own is None else Endpoint(own.url, key, own.inside)

    def _ttl_left(
        self, row: ModelStatus, loaded: Loaded | None, requests: list[FinishedRequest]
    ) -> float | None:
        """Seconds until llama-swap unloads it; None while it works, or where it stays."""
        if self._engine is None or loaded is None or loaded.ttl <= 0 or row.busy:
            return None
        if loaded.state != "ready":
            return None
        since = last_use(self._engine.endpoint, loaded, requests)
        return None if since is None else max(0.0, loaded.ttl - (time.time() - since))


def _engine(placed: Plan) -> OnDemandEngine | None:
    """Who loads on-demand models; None where there are none."""
    if all(item.keep is Keep.ALWAYS for item in placed.placements):
        return None
    return engine(placed.library.config)


def _feed(own: OnDemandEngine | None) -> Feed | None:
    """llama-swap's events; within a container only single answers are reached."""
    if own is None or own.name != "llama-swap" or own.endpoint.inside:
        return None
    return Feed(own.endpoint)
