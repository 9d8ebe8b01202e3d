"""Requests that curl makes within a container; here it runs outside, on the same words."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from llmgen.errors import InputError
from llmgen.operate.engines import within
from llmgen.operate.engines.server import Endpoint, history, request
from llmgen.operate.managers import containers
from llmgen.operate.programs import ProgramResult

CURL = ("curl", "--config", "-")
# Every character that curl's configuration treats in its own way, and some that JSON does.
ODD = 'a"b\\c\nd\te=#é`$(x)'


class Echo(BaseHTTPRequestHandler):
    def do_POST(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = {
            "path": self.path,
            "key": self.headers.get("Authorization"),
            "sent": sent.decode(),
        }
        self.answered(json.dumps(answer).encode())

    def do_GET(self):
        self.answered(b"line 1\nline 2\n", 503 if self.path == "/loading" else 200)

    def answered(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def at():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, daemon=True).start()
    yield Endpoint(f"http://127.0.0.1:{server.server_port}", 'k"ey', CURL)
    server.shutdown()
    server.server_close()


def test_method_key_and_body_arrive_as_they_are(at):
    got = request(at, "POST", "/models/load", body={"model": ODD})
    assert got.status_code == 200
    answer = got.json()
    assert answer["key"] == 'Bearer k"ey'
    assert json.loads(answer["sent"]) == {"model": ODD}


def test_a_refusal_is_an_answer(at):
    assert request(at, "GET", "/loading").status_code == 503


def test_nobody_there_is_said_as_for_any_other_server():
    with pytest.raises(InputError) as told:
        request(Endpoint("http://127.0.0.1:1", "", CURL), "GET", "/health")
    assert told.value.diagnostics[0].code == "operate.unreachable"


def test_a_container_that_does_not_run_is_said_so():
    words = ("sh", "-c", "echo no such container >&2; exit 125")
    with pytest.raises(InputError, match="no such container"):
        request(Endpoint("http://127.0.0.1:1", "", words), "GET", "/health")


def test_a_key_is_on_no_command_line(at, monkeypatch):
    seen = []
    monkeypatch.setattr(
        within, "run", lambda words, **_: seen.append(words) or ProgramResult(7, "", "")
    )
    with pytest.raises(InputError):
        request(at, "GET", "/health")
    assert seen == [CURL]


def test_a_stream_is_read_as_far_as_it_came(at):
    assert history(at, "/logs/stream/x") == "line 1\nline 2\n"


RUNNING = {
    "Name": "/llmgen-swap",
    "RestartCount": 2,
    "State": {"Status": "running", "Pid": 77, "Health": {"Status": "starting"}, "ExitCode": 0},
    "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
}
ENDED = {
    "Name": "llmgen-envoy",
    "State": {"Status": "exited", "Pid": 0, "ExitCode": 137, "OOMKilled": True},
    "HostConfig": {"RestartPolicy": {"Name": "no"}},
}


def test_docker_and_podman_tell_the_same_of_containers(monkeypatch):
    answers = iter(
        [ProgramResult(0, "other\nllmgen-swap\nllmgen-envoy\n", ""), ProgramResult(0, json.dumps([RUNNING, ENDED]), "")]
    )  # fmt: skip
    monkeypatch.setattr(containers, "run", lambda *_, **__: next(answers))
    found = containers.states("docker", ["llmgen-swap", "llmgen-envoy", "llmgen-gone"])
    assert {*found} == {"llmgen-swap", "llmgen-envoy"}
    swap, envoy = found["llmgen-swap"], found["llmgen-envoy"]
    assert (swap.is_active, swap.pid, swap.restarts, swap.health) == (True, 77, 2, "loading")
    assert (envoy.state, envoy.result, envoy.is_enabled) == ("exited", "out of memory", False)


@pytest.mark.parametrize(
    ("policy", "labels", "starts"),
    [
        ("always", {}, True),
        ("unless-stopped", {}, True),
        ("on-failure", {}, False),
        ("no", {}, False),
        # A quadlet's: podman knows no policy of it, systemd starts it.
        ("no", {"PODMAN_SYSTEMD_UNIT": "llmgen-swap.service"}, True),
    ],
)
def test_what_starts_with_the_machine(policy, labels, starts, monkeypatch):
    row = {**RUNNING, "HostConfig": {"RestartPolicy": {"Name": policy}}, "Config": {"Labels": labels}}  # fmt: skip
    answers = iter([ProgramResult(0, "llmgen-swap\n", ""), ProgramResult(0, json.dumps([row]), "")])
    monkeypatch.setattr(containers, "run", lambda *_, **__: next(answers))
    assert containers.states("podman", ["llmgen-swap"])["llmgen-swap"].is_enabled is starts


def test_a_program_that_does_not_answer_is_no_empty_list(monkeypatch):
    monkeypatch.setattr(containers, "run", lambda *_, **__: ProgramResult(1, "", "Cannot connect"))
    with pytest.raises(InputError, match="does not tell"):
        containers.states("docker", ["llmgen-swap"])
