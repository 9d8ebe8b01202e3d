"""Which model a body names: Envoy's route is that of a JSON parser's last top-level `model`.

The texts are drawn: keys and names with escapes, duplicates, nesting, quotes and brackets in strings,
white space in every place that JSON allows; then each is broken somewhere, too.
"""

import json
import random
import socket
import socketserver
import threading

import pytest
import stack as live
from readers.ports import free_ports

pytestmark = pytest.mark.reader("envoy")

TEXTS = 10_000
TEXT = """
[services]
on_demand = "none"
[gateway.envoy]
port = {envoy}
admin_port = {admin}
queue = 100
[external.first]
endpoint = "http://127.0.0.1:{first}"
aliases = ["gpt-4o", "Claude:3/x"]
[external.second]
endpoint = "http://127.0.0.1:{second}"
aliases = ["other"]
upstream_model = 'in"sists\\n'
"""
UPSTREAM = 'in"sists\\n'
# Name as clients may send it, in any letter case: server, and the name that it is told.
KNOWN = {
    "first": ("first", ""),
    "gpt-4o": ("first", "first"),
    "claude:3/x": ("first", "first"),
    "second": ("second", UPSTREAM),
    "other": ("second", UPSTREAM),
}
NAMES = [
    *KNOWN,
    "First",
    "GPT-4O",
    "nobody",
    "",
    "model",
    'fir"st',
    "fi\\rst",
    "é€😀",
    "first\n",
    "first\0",
]
KEYS = ["model", "model", "model", "Model", "models", "mode", "stream", "messages", "", "{", "]}"]
STRINGS = [
    "",
    "model",
    '"model":',
    '\\"model\\":"first"',
    "{[",
    "]}",
    "\\",
    '\\\\"',
    "\\u006d",
    "é😀",
]


class Echo(socketserver.StreamRequestHandler):
    """Answers with what it was sent."""

    def handle(self):
        while self.rfile.readline():
            length = 0
            while (line := self.rfile.readline().strip().lower()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name == b"content-length" else length
            body = self.rfile.read(length)
            head = f"HTTP/1.1 200 OK\r\nx-server: {self.server.name}\r\ncontent-length: {length}"
            self.wfile.write(head.encode() + b"\r\n\r\n" + body)


class Client:
    """One connection that is opened again when Envoy closes it, as it does after each 400."""

    def __init__(self, port):
        self.port, self.socket = port, None

    def ask(self, body):
        """Server (empty for the gateway itself), status, and body of the answer."""
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=20)
            self.answers = self.socket.makefile("rb")
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        self.socket.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        status, headers = int(self.answers.readline().split()[1]), {}
        while line := self.answers.readline().strip().decode().lower():
            name, _, headers[name] = line.partition(": ")
        answer = self.answers.read(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return headers.get("x-server", ""), status, answer

    def close(self):
        if self.socket is None:
            return
        self.answers.close()
        self.socket.close()
        self.socket = None


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    servers = {}
    for name in ("first", "second"):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
        server.daemon_threads, server.name = True, name
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers[name] = server
    ports = dict(zip(("envoy", "admin"), free_ports(2), strict=True))
    ports |= {name: server.server_address[1] for name, server in servers.items()}
    with live.Stack(TEXT.format_map(ports), tmp_path_factory.mktemp("bodies")):
        made = Client(ports["envoy"])
        yield made
        made.close()
    for server in servers.values():
        server.shutdown()
        server.server_close()


class Drawn:
    """JSON texts of a seed, written in every way that JSON allows."""

    def __init__(self, seed):
        self.draw = random.Random(seed)

    def body(self):
        return self.space() + self.object(0) + self.space()

    def space(self):
        return "".join(self.draw.choices(" \t\r\n", k=self.draw.choice([0, 0, 0, 1, 3])))

    def object(self, depth):
        count = self.draw.choice([0, 1, 2, 3, 5])
        return "{" + ",".join(self.member(depth) for _ in range(count)) + self.space() + "}"

    def member(self, depth):
        key = self.draw.choice(KEYS)
        names = key == "model" and self.draw.random() < 0.8
        value = self.string(self.draw.choice(NAMES)) if names else self.value(depth + 1)
        return f"{self.space()}{self.string(key)}{self.space()}:{self.space()}{value}{self.space()}"

    def value(self, depth):
        kind = self.draw.randrange(8 if depth < 4 else 5)
        match kind:
            case 0:
                return self.draw.choice(["1", "-0.5e+10", "18446744073709551615", "0"])
            case 1:
                return self.draw.choice(["true", "false", "null"])
            case 2 | 3 | 4:
                return self.string(self.draw.choice(STRINGS))
            case 5 | 6:
                return self.object(depth)
            case _:
                items = (self.value(depth + 1) for _ in range(self.draw.randrange(4)))
                return "[" + ",".join(f"{self.space()}{item}{self.space()}" for item in items) + "]"

    def string(self, text):
        often = self.draw.choice([0, 0, 0.1, 0.5, 1])
        return '"' + "".join(self.character(char, often) for char in text) + '"'

    def character(self, char, often):
        plain = json.dumps(char, ensure_ascii=self.draw.random() < 0.3)[1:-1]
        if self.draw.random() >= often:
            return plain
        units = char.encode("utf-16-be").hex()
        code = "".join("\\u" + units[at : at + 4] for at in range(0, len(units), 4))
        return code.upper().replace("\\U", "\\u") if self.draw.random() < 0.5 else code

    def broken(self, text):
        """The text with something taken out, put in or cut off."""
        at = self.draw.randrange(len(text) + 1)
        match self.draw.randrange(4):
            case 0:
                return text[:at]
            case 1:
                return text[:at] + text[at + 1 :]
            case 2:
                return text[:at] + self.draw.choice('"{}[]:,\\x\x01') + text[at:]
            case _:
                return text[:at] + text[self.draw.randrange(len(text) + 1) :]


def members_of(text):
    """The members of the object that the text is; None when it is not JSON, or no object."""
    try:
        found = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=Members, parse_constant=float
        )
    except ValueError:
        return None
    return [*found.members] if isinstance(found, Members) else None


class Members:  # noqa: PLW1641 - compared, never a key
    """An object with its duplicates, in order."""

    def __init__(self, members):
        self.members = members

    def __eq__(self, other):
        return isinstance(other, Members) and self.members == other.members


def wanted(members):
    """Server, status, error's code, and the name that the server is told when it is another."""
    names = [value for key, value in members if key == "model"]
    if not names:
        return "first", 200, "", ""
    if not isinstance(names[-1], str):
        return "", 400, "invalid_type", ""
    if names[-1].lower() not in KNOWN:
        return "", 404, "model_not_found", ""
    server, told = KNOWN[names[-1].lower()]
    # A server is told its own name as it is written, whatever the letters of the client's.
    told = told or ("first" if names[-1] != "first" else "")
    return server, 200, "", told


def check(client, text):
    """The status of the answer to a text, which is what a parser's reading of it says."""
    server, status, answer = client.ask(text.encode())
    members = members_of(text)
    if members is None:
        # Refused here, or left to the server, which sees that it is none.
        assert status in (400, 404) or members_of(answer.decode()) is None, text
        return status
    *expected, told = wanted(members)
    code = "" if status == 200 else json.loads(answer)["error"]["code"]
    assert [server, status, code] == expected, text
    if status == 200:
        assert_sent(members, told, text, answer.decode())
    return status


def assert_sent(members, told, text, sent):
    """The server has the client's own bytes; the last name alone may be another, or be added."""
    names = [at for at, (key, _) in enumerate(members) if key == "model"]
    if not names:
        assert members_of(sent) == [*members, ("model", "first")]
        assert sent.startswith(text.rstrip()[:-1])
    elif not told:
        assert sent == text
    else:
        assert members_of(sent) == [
            ("model", told) if at == names[-1] else member for at, member in enumerate(members)
        ]


@pytest.mark.sample(5)
@pytest.mark.parametrize("seed", range(10))
def test_the_route_is_that_of_the_last_model_that_a_parser_finds(client, seed):
    drawn = Drawn(seed)
    seen = {check(client, drawn.body()) for _ in range(TEXTS // 10)}
    assert seen == {200, 400, 404}


@pytest.mark.sample(5)
@pytest.mark.parametrize("seed", range(10))
def test_what_is_no_json_reaches_no_server_as_json(client, seed):
    drawn = Drawn(100 + seed)
    for _ in range(TEXTS // 50):
        check(client, drawn.broken(drawn.body()))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'\xef\xbb\xbf{"model":"first"}', 200),
        (b'{"model":"first"} ', 200),
        (b'{"model":"first"}x', 400),
        (b'{"model":"first"', 400),
        (b'{"model":"first}', 400),
        (b'["model"]', 400),
        (b" ", 400),
        (b"", 200),
        (b'{"model":"fi\\ud800rst"}', 400),
        (b'{"model":"fi\xffrst"}', 400),
        (b'{"model":"fi\nrst"}', 400),
        (b'{"x":' + b"[" * 990 + b"]" * 990 + b',"model":"first"}', 200),
        (b'{"x":' + b"[" * 1001 + b"]" * 1001 + b',"model":"first"}', 400),
        (b'{"x":"' + b"\\" * 2_000_000 + b'","model":"first"}', 200),
        (b'{"x":"' + b'\\"' * 1_000_000 + b'","model":"first"}', 200),
    ],
    ids=range(15),
)
def test_edges(client, body, status):
    assert client.ask(body)[1] == status
