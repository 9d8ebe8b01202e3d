"""Whatever listens on a port of the stack: no answer of it is a bug, and no key goes elsewhere."""

import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hostile import EVENTS, dripping, endless, hostile, whole

from llmgen.bench.http import chat
from llmgen.errors import InputError
from llmgen.operate.engines import idle, router, swap
from llmgen.operate.engines.chat import pieces, stream
from llmgen.operate.engines.server import Endpoint
from llmgen.operate.status import look

ODD = [[1], None, {"running": 1, "data": 1}, {"running": [1], "data": ["x"]}]
ODD += [
    {"running": [{"model": [], "proxy": {}}], "data": [{"id": 1, "status": 1}, {"status": {"args": 1}}]},
    {"default_generation_settings": [1], "total_slots": "many"},
    {"data": [{"timestamp": "9999-99-99"}, {"timestamp": "0001-01-01T00:00:00+23:59"}]},
]  # fmt: skip


@contextmanager
def answering(document, asked=None):
    """A program that answers every request with one JSON document, and keeps what was asked."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            if asked is not None:
                asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Endpoint(f"http://127.0.0.1:{server.server_port}", "secret")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("document", ODD, ids=json.dumps)
def test_odd_answers_are_no_bug(document):
    with answering(document) as endpoint:
        for loaded in (swap.loaded, router.loaded):
            with suppress(InputError):
                assert all(not item.url for item in loaded(endpoint))
        assert look.ask(endpoint, "/health", slots=True).health == "ok"
        idle._slots(endpoint)
        assert idle._last_use(endpoint, swap.Loaded("a", "ready")) is None


def test_a_sleeping_server_is_not_woken_to_see_whether_it_is_idle():
    asked = []
    with answering({"is_sleeping": True}, asked) as endpoint:
        assert idle._slots(endpoint) == idle.ASLEEP
        assert look.ask(endpoint, "/health", slots=True).health == "ok"
    assert "/slots" not in asked


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (swap.loaded, {"running": [{"model": "a", "proxy": "http://example.org:80"}]}),
        (swap.loaded, {"running": [{"model": "a", "proxy": "http://127.0.0.1:80@example.org"}]}),
        (router.loaded, {"data": [{"id": "a", "status": {"value": "loaded", "args": ["x", "--port", "@example.org/"]}}]}),
    ],
)  # fmt: skip
def test_the_servers_key_stays_on_this_machine(read, document):
    with answering(document) as endpoint:
        (found,) = read(endpoint)
    assert (found.model, found.url) == ("a", "")


@pytest.mark.parametrize(
    "event",
    [
        [],
        1,
        {"choices": 1},
        {"choices": ["x"]},
        {"choices": [{"delta": 1}]},
        {"choices": [{"delta": {"content": [1]}}]},
    ],
)
def test_odd_pieces_of_an_answer_say_nothing(event):
    assert not list(pieces(event))


@pytest.mark.parametrize(
    ("answering", "health"),
    [
        (
            endless(),
            "no whole answer: it sends more than 32 MiB, the most that is read of one answer",
        ),
        (whole(b"[" * 100), "no whole answer: it sends JSON that nests deeper than 64 levels"),
        (dripping(), "no whole answer: it has not ended its answer after 5 s"),
    ],
)
def test_health_tells_what_is_wrong_with_an_answer(answering, health):
    with hostile(answering) as server:
        assert look.ask(Endpoint(server.url), "/health", slots=True).health == health
        assert server.sent < 48 * 2**20


@pytest.mark.parametrize("call", [swap.loaded, swap.unload, router.loaded])
def test_engines_lists_have_a_size(call):
    with hostile(endless()) as server:
        with pytest.raises(InputError, match="sends more than 32 MiB"):
            call(Endpoint(server.url))
        assert server.sent < 48 * 2**20


def test_answer_without_a_completion_is_no_empty_success():
    with hostile(whole(b"It works", b"text/html")) as server:
        with pytest.raises(InputError, match="no stream of events: It works"):
            [*stream(Endpoint(server.url), "a", [])]
        with pytest.raises(InputError, match="no stream of events: It works"):
            chat(server.url, "a", 1, 1)
    with hostile(whole(b": nothing", EVENTS)) as server, pytest.raises(InputError, match="without"):
        chat(server.url, "a", 1, 1)
