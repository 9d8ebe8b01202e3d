"""Ask an RPC server who it is: the first message of llama.cpp's protocol, and nothing else."""

from __future__ import annotations

import socket
import struct

# ggml-rpc.cpp, b11434: RPC_CMD_HELLO, and what a connection says of its transport.
_HELLO, _CAPABILITIES = 14, 24
_ANSWER = 4 + _CAPABILITIES
_SECONDS = 2.0


def hello(host: str, port: int) -> str:
    """`7.0.0`; `busy` where another client has it; else why there is no answer."""
    try:
        with socket.create_connection((host, port), _SECONDS) as connection:
            connection.settimeout(_SECONDS)
            connection.sendall(struct.pack("<BQ", _HELLO, _CAPABILITIES) + bytes(_CAPABILITIES))
            return _version(connection)
    except TimeoutError:
        return "busy"
    except OSError as error:
        return error.strerror or str(error)


def _version(connection: socket.socket) -> str:
    """Of an answer of the right size; whatever else is there says something else."""
    found = b""
    while len(found) < 8 + _ANSWER:
        more = connection.recv(8 + _ANSWER - len(found))
        if not more:
            break
        found += more
    if len(found) < 8 + _ANSWER or struct.unpack("<Q", found[:8])[0] != _ANSWER:
        return "no RPC server of this protocol"
    return ".".join(map(str, found[8:11]))
