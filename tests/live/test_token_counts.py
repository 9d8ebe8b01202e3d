"""Token counts that the gateway reads from answers, whatever pieces they come in."""

import itertools
import json
import socketserver
import threading
import urllib.request

import pytest
import stack as live
from readers.ports import free_ports

pytestmark = pytest.mark.reader("envoy")

TEXT = """
[services]
on_demand = "none"
[gateway.envoy]
port = {envoy}
admin_port = {admin}
[external.first]
endpoint = "http://127.0.0.1:{first}"
[external.pictures]
endpoint = "http://127.0.0.1:{first}"
role = "image"
"""


class Told(socketserver.StreamRequestHandler):
    """Answers with the pieces of the test in hand; each waits until the one before is received."""

    def handle(self):
        length = 0
        while (line := self.rfile.readline().strip().lower()) != b"":
            name, _, value = line.partition(b":")
            length = int(value) if name == b"content-length" else length
        self.rfile.read(length)
        head = f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {self.server.kind}\r\n"
        self.wfile.write(head.encode() + b"transfer-encoding: chunked\r\n\r\n")
        for piece in self.server.pieces:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            assert self.server.received.acquire(timeout=10)
        self.wfile.write(b"0\r\n\r\n")


class Gateway:
    """Envoy before a server that says what it is told."""

    def __init__(self, server, stack, port):
        self.server, self.stack, self.port = server, stack, port
        self.count = 0

    def log_of(self, pieces, kind, path, model):
        """The log's row of an answer that comes in these pieces; the answer itself is unchanged."""
        self.count += 1
        identity = f"answer-{self.count}"
        self.server.pieces, self.server.kind = pieces, kind
        headers = {"content-type": "application/json", "x-request-id": identity}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", json.dumps({"model": model}).encode(), headers
        )
        if not kind.startswith("text/"):
            self.server.received.release(len(pieces))
        with urllib.request.urlopen(request, timeout=20) as answer:
            if kind.startswith("text/"):
                for piece in pieces:
                    # Were a piece held back, this would wait for ever.
                    assert answer.read(len(piece)) == piece
                    self.server.received.release()
                assert answer.read() == b""
            else:
                assert answer.read() == b"".join(pieces)
        live.until(lambda: identity in self.stack.log("envoy"), 10)
        lines = self.stack.log("envoy").splitlines()
        return next(json.loads(line) for line in lines if identity in line)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Told)
    server.daemon_threads, server.received = True, threading.Semaphore(0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = dict(zip(("envoy", "admin"), free_ports(2), strict=True))
    text = TEXT.format(**ports, first=server.server_address[1])
    with live.Stack(text, tmp_path_factory.mktemp("counts")) as stack:
        yield Gateway(server, stack, ports["envoy"])
    server.shutdown()
    server.server_close()


def event(**members):
    return b"data: " + json.dumps(members).encode() + b"\n\n"


TEXT_CHUNK = event(choices=[{"delta": {"content": '"usage": {"prompt_tokens": 99}'}}])
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
CACHED = USAGE | {"prompt_tokens_details": {"cached_tokens": 3}}
TIMINGS = {"prompt_n": 2, "prompt_ms": 1.5e1, "predicted_n": 8, "predicted_ms": 0.25}
START = {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}}
STOP = {"type": "message_delta", "usage": {"output_tokens": 7}}
DONE = b"data: [DONE]\n\n"
COUNTED = {"prompt_tokens": 5, "completion_tokens": 7}
TIMED = {"timings": {"prompt_n": 2, "prompt_ms": 15, "predicted_n": 8, "predicted_ms": 0.25}}


def split(text, *places):
    ends = (0, *places, len(text))
    return [text[one:two] for one, two in itertools.pairwise(ends)]


STREAMS = {
    "usage at the end": ([TEXT_CHUNK, event(choices=[], usage=USAGE), DONE], COUNTED),
    "all in one piece": ([TEXT_CHUNK + event(usage=CACHED) + DONE], COUNTED | {"cached_tokens": 3}),
    "within a word": (
        [TEXT_CHUNK, *split(event(usage=USAGE) + DONE, 8, 12, 30, 38)],
        COUNTED,
    ),
    "byte by byte": (split(event(usage=USAGE), *range(1, len(event(usage=USAGE)))), COUNTED),
    "the end of one with the start of the next": (
        split(TEXT_CHUNK + event(usage=USAGE), 10, len(TEXT_CHUNK) + 12),
        COUNTED,
    ),
    "no line at the end": ([TEXT_CHUNK, event(usage=USAGE).rstrip()], COUNTED),
    "lines that end in CRLF": ([event(usage=USAGE).replace(b"\n", b"\r\n")], COUNTED),
    "timings alone": ([event(timings=TIMINGS)], {"completion_tokens": 8} | TIMED),
    "usage and timings": ([event(usage=USAGE, timings=TIMINGS), DONE], COUNTED | TIMED),
    "the last of several": (
        [event(usage=USAGE | {"completion_tokens": 1}), event(usage=USAGE)],
        COUNTED,
    ),
    "Anthropic's": ([event(**START), TEXT_CHUNK, event(**STOP)], COUNTED),
    "Anthropic's, not ended": ([event(**START), TEXT_CHUNK], {"prompt_tokens": 5}),
    "Responses": (
        [
            event(
                type="response.completed",
                response={"usage": {"input_tokens": 5, "output_tokens": 7}},
            )
        ],
        COUNTED,
    ),
    "nothing": ([TEXT_CHUNK, DONE], {}),
    "usage that is none": (
        [event(usage=None, timings="{}"), b'data: "usage": {"prompt_tokens": 1\n\n'],
        {},
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_passes_piece_by_piece_and_its_tokens_are_logged(gateway, name):
    pieces, counts = STREAMS[name]
    row = gateway.log_of(pieces, "text/event-stream", "/v1/chat/completions", "first")
    assert figures(row) == counts


def test_a_stream_of_another_kind_is_counted_too(gateway):
    pieces = [event(b64_json="x" * 300_000), event(usage={"input_tokens": 5, "output_tokens": 7})]
    row = gateway.log_of(pieces, "text/event-stream", "/v1/images/generations", "pictures")
    assert figures(row) == COUNTED


@pytest.mark.parametrize(
    ("kind", "answer", "counts"),
    [
        ("application/json", {"usage": CACHED}, COUNTED | {"cached_tokens": 3}),
        ("application/json; charset=utf-8", {"a": '"usage"', "usage": USAGE}, COUNTED),
        ("application/vnd.x+json", {"timings": TIMINGS}, {"completion_tokens": 8} | TIMED),
        ("application/json", {"usage": {"input_tokens": 5, "output_tokens": 7}}, COUNTED),
        (
            "application/json",
            {"usage": {"cache_read_input_tokens": 3, "input_tokens": 5, "output_tokens": 7}},
            COUNTED | {"cached_tokens": 3},
        ),
        ("application/json", {"usage": {"no_prompt_tokens": 9, "x": "prompt_tokens"}}, {}),
        ("application/json", {"usage": [], "timings": {}}, {}),
        ("application/octet-stream", {"usage": USAGE}, {}),
    ],
)
def test_tokens_of_a_whole_answer_are_logged(gateway, kind, answer, counts):
    text = json.dumps(answer, indent=1).encode()
    row = gateway.log_of(split(text, 1, len(text) // 2), kind, "/v1/chat/completions", "first")
    assert figures(row) == counts


def figures(row):
    """What the log has beside the model of the request."""
    found = dict(row["llm"])
    assert found.pop("model") in ("first", "pictures")
    return found
