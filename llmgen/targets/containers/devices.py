"""What each vendor's devices need to be opened within a container."""

from __future__ import annotations

from collections.abc import Sequence

from llmgen.config.tables.hardware import Backend
from llmgen.engines.container import DEVICE_FILES, cdi
from llmgen.targets.containers.container import DeviceAccess


def devices(backend: Backend, numbers: Sequence[int], groups: Sequence[str]) -> DeviceAccess:
    """The devices of these numbers; nothing where none is used.

    NVIDIA's are given one by one, the others' files all together: their numbers are not those of
    the files.
    """
    if not numbers:
        return DeviceAccess()
    if backend == "cuda":
        return DeviceAccess(cdi=tuple(map(cdi, numbers)), nvidia=tuple(map(str, numbers)))
    files = DEVICE_FILES.get(backend, ())
    return DeviceAccess(paths=files, groups=tuple(groups) if files else ())
