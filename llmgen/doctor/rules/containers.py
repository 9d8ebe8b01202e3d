"""A stack in containers: the program that runs them, their limits, their GPUs, their images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import ImageSeen, Seen
from llmgen.plan.plan import Plan
from llmgen.targets.containers.container import Container
from llmgen.targets.containers.derive import containers

# The memory controller of cgroup version 2, of the machine and as far as a user has it; of 1.
CONTROLLERS: Final = "/sys/fs/cgroup/cgroup.controllers"
DELEGATED: Final = (
    "/sys/fs/cgroup/user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers"
)
MEMORY_V1: Final = "/sys/fs/cgroup/memory/cgroup.procs"
SELINUX: Final = "/sys/fs/selinux/enforce"
GETSEBOOL: Final = ("getsebool", "container_use_devices")
CDI: Final = ("nvidia-ctk", "cdi", "list")
BOOT: Final = {
    "podman": ("systemctl", "is-enabled", "podman-restart.service"),
    "docker": ("systemctl", "is-enabled", "docker.service"),
}
# The package has one name for apt, dnf and zypper; the guide has the repository of each.
TOOLKIT: Final = (
    "install the NVIDIA Container Toolkit (`apt-get install nvidia-container-toolkit`, or by dnf "
    "or zypper, from NVIDIA's repository: "
    "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html)"
)
# Starts the image as the services are started, and names the GPUs that it finds.
PASSED: Final = "`llmgen tool llama-server --list-devices` then names the GPUs in a container"
# Before it, podman has no generator of units.
FIRST_QUADLETS: Final = (4, 4)
# So many users does a range of /etc/subuid have; images have files of more than one.
USUAL_RANGE: Final = 65536
_VERSION: Final = re.compile(r"(\d+)\.(\d+)")


def program(plan: Plan) -> str:
    """What runs the containers; empty for a stack without."""
    runs_in = _runtime(plan)
    if runs_in == "native":
        return ""
    return "podman" if runs_in == "quadlet" else plan.library.config.containers.program


def is_rootless(plan: Plan) -> bool:
    """Whether containers run without root."""
    return program(plan) == "podman" and plan.library.config.services.scope == "user"


def running(plan: Plan) -> tuple[Container, ...]:
    """The containers of the stack; none without a runtime."""
    return containers(plan, PurePosixPath("/")) if program(plan) else ()


def commands(plan: Plan) -> Iterator[tuple[str, ...]]:
    """What has to be run so that the rules can tell."""
    name = program(plan)
    if not name:
        return
    yield (name, "--version")
    yield (name, "info", "--format", "json")
    if _runtime(plan) == "compose":
        yield (name, "compose", "version")
        yield BOOT[name]
    if plan.library.machine.backend == "cuda":
        yield CDI
        yield ("nvidia-smi",)
    yield GETSEBOOL


def runtime(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """The program is there, of a version that the stack can run with."""
    name = program(plan)
    if not name:
        return
    quadlets = _runtime(plan) == "quadlet"
    expected = f"{name} {'4.4 or newer, for quadlets' if quadlets else 'of any version'}"
    ran = seen.ran.get(f"{name} --version")
    found = _VERSION.search(ran.out) if ran is not None and ran.code == 0 else None
    if ran is None:
        yield unknown("container-runtime", name, expected, "it was not looked at")
        return
    yield judged(
        "container-runtime",
        name,
        expected,
        ran.out.strip() if found else "not there",
        ok=found is not None and (not quadlets or _pair(found) >= FIRST_QUADLETS),
        fix=f"install {name}" if found is None else f'a newer {name}, or `runtime = "compose"`',
    )


def compose(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Compose is there, and knows the keys of the version that llm.toml names."""
    name = program(plan)
    if not name or _runtime(plan) != "compose":
        return
    wanted = plan.library.config.containers.compose
    expected = f"version {wanted} or newer"
    ran = seen.ran.get(f"{name} compose version")
    if ran is None:
        yield unknown("compose-version", f"{name} compose", expected, "it was not looked at")
        return
    found = _VERSION.search(ran.out) if ran.code == 0 else None
    plugin = "docker-compose" if name == "podman" else "docker's compose plugin"
    yield judged(
        "compose-version",
        f"{name} compose",
        expected,
        found[0] if found else "not there",
        ok=found is not None and _pair(found) >= _numbers(wanted),
        evidence=(ran.text.splitlines() or [""])[-1],
        fix=f"install {plugin}" if found is None else f'`compose = "{found[0]}"` in [containers]',
    )


def starts_at_boot(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Containers of compose come back with the machine only where a service sees to it."""
    name = program(plan)
    if not name or _runtime(plan) != "compose" or is_rootless(plan):
        return
    words = BOOT[name]
    ran = seen.ran.get(" ".join(words))
    expected = f"`{words[-1]}` is enabled"
    if ran is None or not ran.out.strip():
        yield unknown("container-boot", words[-1], expected, "systemctl could not be asked")
        return
    state = ran.out.strip()
    fix = f"`systemctl enable {words[-1]}`"
    yield judged("container-boot", words[-1], expected, state, ok=state == "enabled", fix=fix)


def limits(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Memory limits of containers are kept by the kernel."""
    if not program(plan) or not plan.library.config.services.memory_max:
        return
    expected = "the memory controller, for the limits of the plan"
    delegated = next((text for path, text in seen.sysfs.items() if "/user@" in path), None)
    whole, first = seen.sysfs.get(CONTROLLERS), seen.sysfs.get(MEMORY_V1)
    if whole is None and first is None:
        yield unknown("container-limits", "cgroup", expected, "no cgroup file could be read")
        return
    if whole is None:
        observed, ok = "cgroup version 1", not is_rootless(plan)
        fix = "boot with `systemd.unified_cgroup_hierarchy=1`: version 1 limits nothing for users"
    elif is_rootless(plan):
        observed = f"a user has {(delegated or '').strip() or 'no controller'}"
        ok = "memory" in (delegated or "").split()
        fix = "`systemctl edit user@.service`, with `Delegate=memory pids cpu` in [Service]"
    else:
        observed, ok = f"cgroup version 2 with {whole.strip()}", "memory" in whole.split()
        fix = "boot with `cgroup_enable=memory`"
    yield judged("container-limits", "cgroup", expected, observed, ok=ok, fix=fix)


def users(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Without root, an image's users are numbers of a range that /etc/subuid gives this user."""
    if not is_rootless(plan):
        return
    expected = f"a range of {USUAL_RANGE} or more in /etc/subuid"
    if seen.subuids is None:
        yield unknown("subuid", "/etc/subuid", expected, "it could not be read")
        return
    yield judged(
        "subuid",
        "/etc/subuid",
        expected,
        f"{seen.subuids} of this user",
        ok=seen.subuids >= USUAL_RANGE,
        fix="`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER` as root, "
        "then `podman system migrate`",
    )


def nvidia(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Containers get NVIDIA's cards from the Container Toolkit: its hook, or its CDI file."""
    name = program(plan)
    if not name or plan.library.machine.backend != "cuda":
        return
    if name == "docker":
        yield _docker_gpu(seen)
        return
    wanted = list(dict.fromkeys(word for item in running(plan) for word in item.devices.cdi))
    expected = f"{', '.join(wanted) or 'nvidia.com/gpu'} in `nvidia-ctk cdi list`"
    ran = seen.ran.get(" ".join(CDI))
    if ran is None:
        yield unknown("container-gpu", "nvidia-ctk", expected, "it was not looked at")
        return
    listed = ran.out.split()
    missing = [word for word in wanted if word not in listed]
    yield judged(
        "container-gpu",
        "nvidia-ctk",
        expected,
        f"{', '.join(missing)} missing" if missing else "all listed",
        ok=ran.code == 0 and bool(listed) and not missing,
        evidence=(ran.text.splitlines() or [""])[0],
        fix=f"{TOOLKIT}; then, and after each new driver, "
        f"`nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`; {PASSED}",
    )


def _docker_gpu(seen: Seen) -> Finding:
    expected = "docker knows the runtime `nvidia`, or CDI devices"
    ran = seen.ran.get("docker info --format json")
    if ran is None or ran.code != 0:
        return unknown("container-gpu", "docker", expected, "`docker info` does not answer")
    known = '"nvidia"' in ran.out or "nvidia.com/gpu" in ran.out
    return judged(
        "container-gpu",
        "docker",
        expected,
        "it does" if known else "it knows neither",
        ok=known,
        fix=f"{TOOLKIT}, then `nvidia-ctk runtime configure --runtime=docker`, and restart docker; "
        f"{PASSED}",
    )


def selinux(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Where SELinux is enforced, containers open device files only with a switch."""
    files = [path for item in running(plan) for path in item.devices.paths]
    if not files:
        return
    expected = "SELinux lets containers open the GPU's device files"
    if seen.sysfs.get(SELINUX, "0").strip() != "1":
        if SELINUX in seen.sysfs or seen.ran:
            yield judged("selinux-devices", files[0], expected, "it is not enforced", ok=True)
        else:
            yield unknown("selinux-devices", files[0], expected, "it was not looked at")
        return
    ran = seen.ran.get(" ".join(GETSEBOOL))
    if ran is None or ran.code != 0:
        yield unknown("selinux-devices", files[0], expected, "`getsebool` could not be run")
        return
    yield judged(
        "selinux-devices",
        files[0],
        expected,
        ran.out.strip(),
        ok=ran.out.strip().endswith("on"),
        fix="`setsebool -P container_use_devices on`",
    )


def images(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Each image is here, and for this kind of machine."""
    for name, built in _images(plan).items():
        expected = f"here, for {seen.architecture or 'this machine'}"
        if name not in seen.images:
            yield unknown("image", name, expected, "images could not be listed")
            continue
        found = seen.images[name]
        get = "`llmgen build`" if built else f"`{program(plan)} pull {name}`"
        yield judged(
            "image",
            name,
            expected,
            f"for {found.architecture}" if found else "not here",
            ok=found is not None and found.architecture == seen.architecture,
            fix=get if found is None else "another image: nobody made this one for this machine",
        )


def image_cuda(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """The driver knows the CUDA that an image was made with."""
    if plan.library.machine.backend != "cuda":
        return
    ran = seen.ran.get("nvidia-smi")
    driver = re.search(r"CUDA Version: (\d+\.\d+)", ran.out if ran else "")
    for name in _images(plan):
        found = seen.images.get(name)
        cuda = _VERSION.search(found.cuda) if found is not None else None
        if cuda is None:
            continue
        expected = f"a driver with CUDA {cuda[0]} or newer"
        if driver is None:
            yield unknown("image-cuda", name, expected, "`nvidia-smi` names no CUDA version")
            continue
        yield judged(
            "image-cuda",
            name,
            expected,
            f"CUDA {driver[1]}",
            ok=_numbers(driver[1]) >= _pair(cuda),
            fix="update the NVIDIA driver, or name an image of an older CUDA in [containers]",
        )


def pinned(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """A pulled image can only be the one that was tried when its name holds its digest."""
    for name, built in _images(plan).items():
        if built or name.startswith("localhost/"):
            continue
        expected = "a name with the image's digest (`@sha256:…`)"
        found = seen.images.get(name)
        has, own = "@sha256:" in name, found is not None and not found.digests
        tag = "an image that was made here" if own else "a tag, which may be another image tomorrow"
        yield judged(
            "image-digest",
            name,
            expected,
            "it has one" if has else tag,
            ok=has or own,
            fix=_pin(plan, name, found),
        )


def _pin(plan: Plan, name: str, found: ImageSeen | None) -> str:
    digest = next(iter(found.digests), "").rpartition("@")[2] if found else ""
    if not digest:
        return f"`{program(plan)} pull {name}`, then `llmgen doctor` names its digest"
    return f'"{name}@{digest}" in [containers]'


def _runtime(plan: Plan) -> str:
    return plan.library.config.services.runtime


def _images(plan: Plan) -> dict[str, bool]:
    """Every image that the stack runs, and whether it is built here."""
    return {item.image: item.built for item in running(plan)}


def _pair(found: re.Match[str]) -> tuple[int, int]:
    return int(found[1]), int(found[2])


def _numbers(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)
