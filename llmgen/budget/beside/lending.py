"""Host memory for devices over RPC: of the machine that lends them, and of the one that sends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from llmgen.budget.held.weights import is_mapped
from llmgen.budget.memory import HOST, Estimate
from llmgen.budget.settings import ServerSettings
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.units import MIB

# The program, its libraries, the graph that it keeps and the activations that come and go: less
# than 16 MiB at rest with ggml-rpc-server b11434 on the CPU (tests/readers/test_rpc_server.py).
OWN_BYTES: Final = 64 * MIB


def lender_host_bytes(files: Iterable[GgufFacts]) -> int:
    """Host memory of an RPC server while it serves these files, at its most.

    A tensor comes as one message, which is held whole until it is on the device (recv_msg and
    set_tensor in ggml-rpc.cpp, b11434); one that its cache has is read whole in the same way.
    """
    return OWN_BYTES + _largest(files)


def sent_bytes(files: Iterable[GgufFacts], settings: ServerSettings) -> int:
    """The same of the sender: a copy behind the message's head, of what was read or is mapped."""
    return _largest(files) * (1 if is_mapped(settings) else 2)


def with_sending(made: Estimate, files: Iterable[GgufFacts], settings: ServerSettings) -> Estimate:
    """The estimate of a server that sends weights: it loads them before it makes its caches.

    What those take of the host later is free then, so only what is more counts.
    """
    host = next(item for item in made.memory if item.device == HOST)
    later = made.on(HOST) - host.model
    more = max(0, sent_bytes(files, settings) - later)
    return replace(made, host=replace(made.host, sending=more))


def _largest(files: Iterable[GgufFacts]) -> int:
    return max((item.bytes_each for facts in files for item in facts.tensors), default=0)
