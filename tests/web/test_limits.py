"""Every answer has a size, a time and a depth, whatever the server that sends it is up to."""

import json
import re
import zlib
from pathlib import Path

import httpx
import pytest
from hostile import EVENTS, HEAD, dripping, endless, hostile, whole

import llmgen
from llmgen.errors import InputError
from llmgen.operate.engines.server import Endpoint, answer, rows
from llmgen.units import KIB, MIB
from llmgen.web.client import request
from llmgen.web.completion import completion
from llmgen.web.depth import Nesting, depth
from llmgen.web.limits import Limits
from llmgen.web.watch import Watch, heeding

SMALL = Limits(20.0, size_bytes=MIB)
SHORT = Limits(0.5)
# What the kernel holds between the two.
BETWEEN = 12 * MIB


def refusal(call, *given, **options):
    with pytest.raises(InputError) as caught:
        call(*given, **options)
    (found,) = caught.value.diagnostics
    assert found.hint
    return found


@pytest.mark.parametrize("length", [b"", b"Content-Length: 99999999999\r\n"])
def test_body_without_an_end_is_left_at_the_limit(length):
    with hostile(endless(length=length)) as server:
        found = refusal(request, server.url, SMALL, {})
        assert found.code == "answer.size"
        assert found.message.endswith("sends more than 1 MiB, the most that is read of one answer")
        assert server.sent < MIB + BETWEEN


def test_chunks_without_an_end_are_left_at_the_limit():
    chunked = b"Transfer-Encoding: chunked\r\n"
    with hostile(endless(b"10000\r\n" + b" " * 65536 + b"\r\n", length=chunked)) as server:
        assert refusal(request, server.url, SMALL, {}).code == "answer.size"
        assert server.sent < MIB + BETWEEN


@pytest.mark.parametrize(
    "head", [HEAD % b"text/plain" + b"\r\n", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 "]
)
def test_drops_are_left_when_the_time_is_over(head):
    with hostile(dripping(head)) as server:
        found = refusal(request, server.url, SHORT, {})
        assert found.code == "answer.time"
        assert found.message == f"`{server.url}` has not ended its answer after 0.5 s"
        # A byte each fiftieth of a second.
        assert server.sent < len(head) + 100


def test_silence_is_left_when_the_time_is_over():
    with hostile(dripping(pause=60)) as server, pytest.raises((InputError, httpx.ReadTimeout)):
        request(server.url, SHORT, {})


def test_redirects_without_an_end_have_one_time():
    def again(server, connection, _request):
        server.send(
            connection, b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % b"/again"
        )
        return True

    with hostile(again) as server:
        with pytest.raises((InputError, httpx.TooManyRedirects)):
            request(server.url, SHORT, {})
        assert len(server.requests) <= 30


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_json_is_refused_before_it_is_parsed(opening):
    with hostile(whole(opening * 200_000)) as server:
        found = refusal(request, server.url, SMALL, {})
        assert found.code == "answer.depth"
        assert "deeper than 64 levels" in found.message


def test_compressed_answer_is_refused():
    bomb = zlib.compress(bytes(100 * MIB))
    with hostile(whole(bomb, more=b"Content-Encoding: deflate\r\n")) as server:
        assert refusal(request, server.url, SMALL, {}).code == "answer.compressed"
        assert b"accept-encoding: identity" in server.requests[0].lower()


def test_page_of_an_error_has_a_size_too():
    def page(server, connection, _request):
        server.send(connection, b"HTTP/1.1 500 No\r\n\r\n")
        while server.is_up:
            server.send(connection, b" " * 65536)

    with hostile(page) as server:
        limits = Limits(20.0, size_bytes=0, pace_bytes=1)
        assert refusal(request, server.url, limits, {}).code == "answer.size"
        assert server.sent < MIB + BETWEEN


def test_kept_connection_that_begins_to_drip_is_left_in_time():
    def turning(server, connection, sent):
        if len(server.requests) == 1:
            return whole(b"{}")(server, connection, sent)
        return dripping(b"HTTP/1.1 ")(server, connection, sent)

    with hostile(turning) as server, heeding(httpx.Client()) as client:
        with Watch("one", SHORT, "x"):
            assert client.get(server.url).json() == {}
        with pytest.raises(InputError) as caught, Watch("two", SHORT, "x"):
            client.get(server.url)
        assert caught.value.diagnostics[0].message == "`two` has not ended its answer after 0.5 s"
        assert server.sent < 1000


def test_pace_of_a_long_transfer(monkeypatch):
    monkeypatch.setattr("llmgen.web.watch.PACE_SECONDS", 0.3)
    slow = Limits(0.5, size_bytes=0, depth=0, pace_bytes=64 * KIB)
    with hostile(dripping()) as server:
        assert refusal(request, server.url, slow, {}).code == "answer.pace"
        assert server.sent < 200
    enough = whole(bytes(200_000))
    with hostile(enough) as server:
        assert len(request(server.url, slow, {}).content) == 200_000


def test_what_is_well_is_taken():
    rows_ = [{"model": "a", "cmd": '"quoted \\" [[[[ {{{{"' * 50}]
    with hostile(whole(json.dumps({"running": rows_}).encode())) as server:
        assert rows(Endpoint(server.url), "/running", "running") == rows_


def test_answer_that_is_no_json_is_shown():
    with hostile(whole(b"<html>Sign in</html>", b"text/html")) as server:
        found = refusal(answer, Endpoint(server.url), "/running")
        assert found.message == f"`{server.url}/running` answers 200: no JSON: <html>Sign in</html>"


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        (b"", 0),
        (b"[]", 1),
        (b'[{"a": [1]}, {}]', 3),
        (b'"[[["', 0),
        (b'["\\"[[[", {}]', 2),
        (b'["\\\\", [[]]]', 3),
        (b']]]]["', 1),
    ],
)
def test_depth_is_the_same_in_any_pieces(text, levels):
    assert depth(text) == max(levels, 0) or text.startswith(b"]")
    for size in (1, 2, 3, 5):
        nesting = Nesting()
        for at in range(0, len(text), size):
            nesting.feed(text[at : at + size])
        assert nesting.deepest == depth(text)


def events(text):
    return whole(text, EVENTS)


def said(server):
    return refusal(lambda: [*completion(f"{server.url}/v1", {}, {})])


ROLE = b'data: {"choices": [{"delta": {"role": "assistant"}, "finish_reason": null}]}\n\n'
TEXT = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": null}]}\n\n'
STOP = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("text", [ROLE + TEXT + STOP + DONE, TEXT + DONE, TEXT + STOP])
def test_completion_is_taken(text):
    with hostile(events(b": a comment\nevent: x\nid: 1\n" + text)) as server:
        told = [event["choices"][0]["delta"] for event in completion(server.url, {}, {})]
        assert {"content": "hi"} in told


@pytest.mark.parametrize(
    ("answering", "what"),
    [
        (whole(b"<html>Welcome</html>", b"text/html"), "no stream of events: <html>Welcome</html>"),
        (whole(b'{"object": "list"}'), 'no stream of events: {"object": "list"}'),
        (events(b""), "ends its stream without an answer"),
        (events(b": ping\n\n" + DONE), "ends its stream without an answer"),
        (events(b"hello there\n\n"), "sends a line that is no event: hello there"),
        (events(b"data: hello\n\n"), "sends an event that is no JSON object: hello"),
        (events(b"data: [1]\n\n"), "sends an event that is no JSON object: [1]"),
        (events(TEXT), "broke its answer off; it began"),
        (events(b'data: {"choices": 3}\n\n'), "sends `choices` that are no list"),
        (events(ROLE + b'data: {"error": {"message": "full"}}\n\n'), "answers with an error"),
        (events(b'error: {"message": "full"}\n\n'), "answers with an error"),
        (events(b"data: " + b"[" * 9000 + b"\n\n"), "deeper than 64 levels"),
        (endless(kind=EVENTS), "sends more than 4 MiB"),
        (endless(kind=b"text/html"), "answers with no stream of events"),
        (dripping(), "answers with no stream of events"),
    ],
)
def test_answer_that_is_no_completion_is_told_with_its_first_bytes(answering, what):
    with hostile(answering) as server:
        assert what in said(server).message
        assert server.sent < 4 * MIB + BETWEEN


def test_nobody_asks_past_the_limits():
    """One home: whoever asks over HTTP does it through `llmgen.web`."""
    asks = re.compile(
        r"httpx2?\.(Client|AsyncClient|get|post|put|stream|request|options|head)\b|urlopen|requests\.(get|post|Session)"
    )
    package = Path(llmgen.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(asks.search(line) for line in code(path))
    }
    assert found == {"web/client.py"}


def code(path):
    """Lines without comments and types."""
    for line in path.read_text("utf-8").splitlines():
        text = line.partition("#")[0]
        if "->" not in text and not re.search(r":\s*httpx2?\.Client", text):
            yield text
