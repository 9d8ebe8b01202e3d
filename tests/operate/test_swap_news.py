"""What the events of a llama-swap tell; the lines and events are those of v250."""

import json

import pytest

from llmgen.operate.engines.departures import ENDED, NOT_TOLD, Departure, departed
from llmgen.operate.engines.swap_news import SwapNews


def status(**states):
    rows = [{"id": name, "state": state, "peerID": ""} for name, state in states.items()]
    return event("modelStatus", [*rows, {"id": "far/far", "state": "", "peerID": "far"}])


def log(text, source="proxy"):
    return event("logData", {"data": text, "source": source})


def event(kind, data):
    return {"type": kind, "data": json.dumps(data)}


def news(*events):
    found = SwapNews()
    for at, item in enumerate(events):
        found.take(item, float(at))
    return found


EVICTS = '[INFO] matrix: model=two set=s1 dsl="(a & b)" evict=[one three] target=[two] cost=2\n'
IDLE = "[INFO] <one> Unloading model, TTL of 60s reached\n"
DIED = "[WARN] <one> upstream process exited unexpectedly\n"


def asked(path, agent):
    return (
        f'[INFO] Request 127.0.0.1 "POST /api/models/unload{path} HTTP/1.1" 200 2 "{agent}" 9ms\n'
    )


BOTH = status(one="ready", three="ready", two="stopped")


def test_a_line_before_the_change_is_its_reason():
    found = news(BOTH, log(EVICTS), status(one="stopping", three="stopping", two="stopped"))
    why = "made room for two"
    assert found.departures() == {
        "one": Departure("one", why, 2.0),
        "three": Departure("three", why, 2.0),
    }


def test_idle_models_go_by_their_ttl():
    found = news(BOTH, log(IDLE), status(one="stopped", three="ready"))
    assert found.departures()["one"].why == "nobody asked for it for 60 s"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (DIED, ENDED),
        (asked("/one", "llmgen"), "`llmgen` unloaded it"),
        (asked("/one", "llmgen guard"), "memory was short: `llmgen guard` unloaded it"),
        (asked("/one", "curl/8"), "a client unloaded it"),
        (asked("", "llmgen"), "`llmgen` unloaded it"),
        ("[INFO] something else\n", NOT_TOLD),
    ],
)
def test_a_line_after_the_change_is_its_reason(line, why):
    found = news(BOTH, status(one="stopped", three="ready"), log(line))
    assert found.departures() == {"one": Departure("one", why, 1.0)}


def test_a_line_in_pieces_is_one_line():
    found = news(BOTH, log(IDLE[:30]), log(IDLE[30:]), status(one="stopped"))
    assert found.departures()["one"].why == "nobody asked for it for 60 s"


def test_without_lines_the_states_have_to_do():
    found = news(BOTH, status(one="stopping", three="ready", two="starting"))
    assert found.departures()["one"].why == "made room for two"
    request = {"operation": "upsert", "request": {"id": "1", "model": "two"}}
    found = news(BOTH, event("inflight", request), status(one="stopping", two="stopped"))
    assert found.departures()["one"].why == "made room for two"


def test_what_llama_swap_remembers_has_no_time():
    found = news(log(EVICTS + IDLE), BOTH)
    assert found.departures()["three"] == Departure("three", "made room for two", None)
    assert found.departures()["one"].why == "nobody asked for it for 60 s"


def test_requests_under_way_are_counted_by_model():
    def upsert(identity, model):
        return event(
            "inflight", {"operation": "upsert", "request": {"id": identity, "model": model}}
        )

    snapshot = {"operation": "snapshot", "requests": [{"id": "1", "model": "one"}]}
    found = news(event("inflight", snapshot), upsert("2", "one"), upsert("2", "one"),
                 upsert("3", "two"), event("activity", {"id": 7}))  # fmt: skip
    assert found.waiting() == {"one": 2, "two": 1}
    assert found.finished == 1
    found.take(event("inflight", {"operation": "remove", "id": "2"}), 9.0)
    found.take(event("inflight", {"operation": "snapshot"}), 9.0)
    assert found.waiting() == {}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"type": "modelStatus", "data": "[["},
        {"type": "modelStatus", "data": '["x", 3, {"id": {}}]'},
        {"type": "inflight", "data": '{"operation": "upsert", "request": 3}'},
        {"type": "inflight", "data": '{"operation": "snapshot", "requests": 3}'},
        {"type": "logData", "data": '{"source": "proxy", "data": 3}'},
        {"type": ["x"], "data": {}},
    ],
)
def test_odd_events_tell_nothing(odd):
    found = news(odd)
    assert (found.departures(), found.waiting()) == ({}, {})


def test_states_alone_tell_who_left_and_for_whom():
    before = {"a": "ready", "b": "loaded", "c": "unloaded", "d": "ready"}
    now = {"a": "not running", "b": "unloaded", "c": "loading", "d": "unknown"}
    assert departed(before, now, 5.0, always={"a"}) == [
        Departure("a", ENDED, 5.0),
        Departure("b", "made room for c", 5.0),
    ]
    assert departed({"b": "loaded"}, {"b": "unloaded"}, 5.0) == [Departure("b", NOT_TOLD, 5.0)]
    assert departed(now, before, 5.0) == []
