"""Host memory that a service takes beside what the plan counts for its models."""

from __future__ import annotations

from typing import Final

from llmgen.units import GIB, MIB

# Of a server: programs and libraries, the driver's host side, request bodies. Generous, since the
# limit is the second safety net, not the first.
PROCESS_SLACK: Final = GIB
SWAP_SLACK: Final = 512 * MIB
# In a container, room for small files of a program; memory, and so within its limit.
TMPFS_BYTES: Final = 64 * MIB
