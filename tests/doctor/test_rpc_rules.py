"""What is wrong with an RPC server is said in its words."""

import socket
import threading

import pytest

from llmgen.doctor.hello import hello
from llmgen.doctor.rules.rpc import _observed


@pytest.mark.parametrize(
    ("said", "listed", "count", "found"),
    [
        ("7.0.0", "  RPC0: h:1 (1 MiB)\n  RPC1: h:1 (1 MiB)", 2, ("protocol 7.0.0, 2 devices", True)),
        ("7.0.0", "  RPC0: h:1 (1 MiB)", 2, ("protocol 7.0.0, 1 device", False)),
        ("8.0.0", "RPC server version mismatch: 8.0.0\n", 1, ("RPC server version mismatch: 8.0.0", False)),
        ("Connection refused", "", 1, ("Connection refused", False)),
        ("no RPC server of this protocol", "", 1, ("no RPC server of this protocol", False)),
    ],
)  # fmt: skip
def test_observed(said, listed, count, found):
    assert _observed(said, listed, count) == found


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n" * 9, bytes(7), b"\xff" * 99]
)
def test_another_program_is_no_rpc_server(answer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer, args=(server, answer))
        thread.start()
        assert hello(*server.getsockname()) == "no RPC server of this protocol"
        thread.join()


def _answer(server, answer):
    connection, _ = server.accept()
    with connection:
        connection.recv(64)
        connection.sendall(answer)


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
    assert hello(host, port) == "Connection refused"
    assert hello("no-such-host.invalid", 1)
