"""Real ggml-rpc-servers on loopback, and what the test itself says to one of them.

The protocol (llama.cpp b11434, ggml/src/ggml-rpc/ggml-rpc.cpp): a byte with the command, eight bytes
with the size of what follows, little-endian; an answer is its size, then itself. The first command
of a connection is HELLO with 24 bytes of what the transport can; the answer has the version before
them.
"""

import contextlib
import os
import socket
import struct
import subprocess
import threading
import time

import readers
from readers.running import end

HELLO, DEVICE_COUNT = 14, 15
CAPABILITIES = 24
VERSION = (7, 0, 0)  # RPC_PROTO_MAJOR_VERSION … in ggml/include/ggml-rpc.h


@contextlib.contextmanager
def rpc_server(port, log, *words, env=None):
    """The program on a port of loopback, once it listens; it ends with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                readers.find("ggml-rpc-server"),
                "-H",
                "127.0.0.1",
                "-p",
                str(port),
                "-t",
                "1",
                *words,
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        listening(port, process, log)
        yield process
    finally:
        end(process)


def listening(port, process, log):
    """Return when the port takes a connection; fail with the log when the program ended."""
    patience = time.monotonic() + 60
    while time.monotonic() < patience and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8", "replace"))


def hello(connection):
    """The version that the other side has."""
    connection.sendall(struct.pack("<BQ", HELLO, CAPABILITIES) + bytes(CAPABILITIES))
    (size,) = struct.unpack("<Q", _exactly(connection, 8))
    return tuple(_exactly(connection, size)[:3])


@contextlib.contextmanager
def answering(version):
    """The port of a server of this version that has no device; it takes one client at a time."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answers, args=(server, version), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _answers(server, version):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError, EOFError):
            while True:
                command, size = struct.unpack("<BQ", _exactly(connection, 9))
                _exactly(connection, size)
                said = bytes((*version, 0)) + bytes(CAPABILITIES)
                if command == DEVICE_COUNT:
                    said = struct.pack("<I", 0)
                connection.sendall(struct.pack("<Q", len(said)) + said)


def _exactly(connection, size):
    found = b""
    while len(found) < size:
        more = connection.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found
