"""Events come as objects, within the limits; what is no stream of events is told."""

import pytest
from hostile import EVENTS, JSON, endless, hostile, whole

from llmgen.errors import InputError
from llmgen.web.events import events


def taken(answer, most=10):
    with hostile(answer) as server:
        found = []
        for event in events(f"{server.url}/api/events", {"User-Agent": "llmgen"}):
            found.append(event)
            if len(found) == most:
                break
        return found, server


def refusal(answer):
    with hostile(answer) as server, pytest.raises(InputError) as caught:
        [*events(server.url, {})]
    (found,) = caught.value.diagnostics
    assert found.hint
    return found.code


def test_each_data_line_is_an_object():
    body = b'event:message\ndata:{"a": 1}\n\n: comment\nid: 3\ndata: {"b": 2}\n\n'
    found, server = taken(whole(body, EVENTS), most=2)
    assert found == [{"a": 1}, {"b": 2}]
    assert b"user-agent: llmgen\r\n" in server.requests[0].lower()


def test_a_stream_has_no_end_and_is_left():
    assert taken(endless(b'data: {"a": 1}\n\n', EVENTS))[0] == [{"a": 1}] * 10


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (whole(b"{}", JSON), "answer.no-events"),
        (whole(b"data: 3\n", EVENTS), "answer.no-events"),
        (whole(b"data: \xff{\n", EVENTS), "answer.no-events"),
        (whole(b"data: " + b"[" * 1000 + b"\n", EVENTS), "answer.depth"),
        (endless(b"x" * 65536, EVENTS), "answer.size"),
    ],
)
def test_what_is_no_event_is_told(answer, code):
    assert refusal(answer) == code
