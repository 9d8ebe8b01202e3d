"""What an RPC server takes of its own machine's host memory, beside the devices that it lends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from llmgen.facts.model import GgufFacts
from llmgen.units import MIB

# The program, its libraries, the graph that it keeps and the activations that come and go: 20 to
# 40 MiB with ggml-rpc-server b11434 on the CPU (tests/readers/test_rpc_server.py).
OWN_BYTES: Final = 64 * MIB


def lender_host_bytes(files: Iterable[GgufFacts]) -> int:
    """Host memory of an RPC server while it serves these files, at its most.

    A tensor comes as one message, which is held whole until it is on the device (recv_msg and
    set_tensor in ggml-rpc.cpp, b11434); one that its cache has is read whole in the same way.
    """
    largest = max((item.bytes_each for facts in files for item in facts.tensors), default=0)
    return OWN_BYTES + largest
