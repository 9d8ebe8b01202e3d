"""Look at what runs containers on this machine, for doctor; nothing is pulled or started."""

from __future__ import annotations

import getpass
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from llmgen.doctor.observations import ImageSeen, Ran
from llmgen.doctor.rules import containers
from llmgen.plan.plan import Plan

# The machine's kind in the words of images.
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

_FORWARDERS: Final = ("conmon", "docker-proxy", "rootlessport", "pasta", "slirp4netns")

Runner = Callable[..., Ran]


def commands(plan: Plan, run: Runner) -> Iterator[tuple[str, Ran]]:
    """What the programs said, by their words."""
    for words in containers.commands(plan):
        yield " ".join(words), run(*words)


def images(plan: Plan, run: Runner) -> Iterator[tuple[str, ImageSeen | None]]:
    """Every image of the stack, None where it is not here; nothing when nobody can tell."""
    program = containers.program(plan)
    if not program or run(program, "info", "--format", "json").code != 0:
        return
    for name in dict.fromkeys(item.image for item in containers.running(plan)):
        ran = run(program, "image", "inspect", name)
        yield name, _image(ran.out) if ran.code == 0 else None


def forwarders(plan: Plan) -> set[str]:
    """Programs that hold a container's port of the machine for it."""
    program = containers.program(plan)
    return {program, *_FORWARDERS} if program else set()


def sysfs() -> Iterator[tuple[str, str]]:
    """Files of the kernel that say what it limits and refuses."""
    delegated = containers.DELEGATED.format(uid=os.getuid())
    for path in (containers.CONTROLLERS, containers.MEMORY_V1, containers.SELINUX, delegated):
        try:
            yield path, Path(path).read_text("ascii", "replace")
        except OSError:
            continue


def subuids() -> int | None:
    """How many users of its own this user may give to containers."""
    try:
        lines = Path("/etc/subuid").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    rows = (line.split(":") for line in lines)
    own = (getpass.getuser(), str(os.getuid()))
    return sum(int(row[2]) for row in rows if len(row) == 3 and row[0] in own and row[2].isdigit())


def architecture() -> str:
    """What images for this machine are for."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def _image(text: str) -> ImageSeen | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    row = found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
    return ImageSeen(
        str(row.get("Architecture", "")),
        _variable(row, "CUDA_VERSION"),
        tuple(map(str, row.get("RepoDigests") or ())),
    )


def _variable(row: Mapping[str, Any], name: str) -> str:
    config = row.get("Config")
    listed = config.get("Env") if isinstance(config, dict) else None
    pairs = (str(item).partition("=") for item in listed or ())
    return next((value for key, _, value in pairs if key == name), "")
