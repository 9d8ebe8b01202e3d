"""Requests that are written to confuse: the log, the answers and the client's name stay true."""

import json
import socket
import uuid
from urllib.parse import urlsplit

import pytest
import stack as live
from shared_stack import ALICE

pytestmark = [pytest.mark.reader("llama-server"), pytest.mark.reader("envoy")]

CHAT = "/v1/chat/completions"
NAMES = [
    'x\r\nset-cookie: a=b\r\n\r\n"}{',
    "\x1b]0;owned\x07\x00",
    "%REQ(authorization)%%ENVIRONMENT(ALICE_KEY)%",
    "`'$(id)\u2028",
]


def logged(stack, mark):
    """The access log's line about the request of this id."""
    found = []

    def here():
        found[:] = [
            line for line in stack.log("envoy").split("\n") if mark in line and line.endswith("}")
        ]
        return found

    live.until(here, 20)
    (line,) = found
    return json.loads(line)


def raw(stack, head, body=b""):
    """The status line of the answer to bytes as they are."""
    at = urlsplit(stack.url)
    with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        return connection.recv(4096).split(b"\r\n")[0].decode()


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_of_models_cannot_leave_their_place(stack, name):
    mark = uuid.uuid4().hex
    status, text, headers = live.post(
        stack.url + CHAT, {"model": name}, x_api_key=ALICE, x_request_id=mark
    )
    assert (status, "set-cookie" in headers) == (404, False)
    shown = name.replace("\0", "\ufffd")
    assert f"`{shown}`" in json.loads(text)["error"]["message"]
    assert logged(stack, mark)["llm"] == {"model": shown}


@pytest.mark.parametrize(
    "model",
    [None, [], ["small"], {"small": 1}, "x" * 100_000],
    ids=["null", "list", "names", "object", "long"],
)
def test_a_model_that_is_no_name_is_not_the_same_as_none(stack, model):
    body = {"metadata": {"model": "small"}, "messages": [], "model": model}
    for path in (CHAT, "/v1/embeddings", "/v1/rerank", "/tokenize"):
        status, text, _ = live.post(stack.url + path, body, x_api_key=ALICE)
        assert (status, json.loads(text)["error"]["code"]) == (400, "invalid_type")


@pytest.mark.parametrize("body", [{"x": "model"}, {"x": {"model": 1}}, {'"model': 'model":'}])
def test_only_the_bodys_own_model_counts(stack, body):
    body = {**body, "content": "model"}
    assert live.post(f"{stack.url}/tokenize", body, x_api_key=ALICE)[0] == 200


def test_a_client_cannot_pose_as_another(stack):
    mark = uuid.uuid4().hex
    live.post(
        stack.url + CHAT, {"model": "nobody"}, x_api_key=ALICE, x_llm_client="bob",
        x_envoy_original_path="/elsewhere", x_request_id=mark,
    )  # fmt: skip
    line = logged(stack, mark)
    assert (line["client"], line["path"]) == ("alice", CHAT)


@pytest.mark.parametrize("pair", ["[]", ['{"a":', "}"]], ids=["lists", "objects"])
def test_json_without_end_is_refused_and_the_next_request_served(stack, pair):
    depth = 200_000
    body = '{"model":"small","x":' + pair[0] * depth + "1" + pair[1] * depth + "}"
    status, text, _ = live.post(stack.url + CHAT, body.encode(), x_api_key=ALICE)
    assert (status, json.loads(text)["error"]["code"]) == (400, "invalid_json")
    assert live.get(f"{stack.url}/v1/models", x_api_key=ALICE)[0] == 200


@pytest.mark.parametrize(
    "lines",
    [
        ["content-length: 2", "transfer-encoding: chunked"],
        ["content-length: 2", "content-length: 3"],
        ["content-length: 2", "x_llm_client: bob"],
        ["content-length: 2", "x-a: 1\nx-llm-client: bob"],
    ],
    ids=["two framings", "two lengths", "underscores", "bare line end"],
)
def test_requests_with_two_meanings_are_refused(stack, lines):
    head = [f"POST {CHAT} HTTP/1.1", "host: x", f"x-api-key: {ALICE}", *lines]
    assert raw(stack, head, b"{}").split()[1] == "400"
