"""What docker compose, podman's generator and systemd say of rendered files."""

import subprocess

import readers

from llmgen.render.environment import make_render
from llmgen.targets import compose, quadlet, systemd


def composed(plan, folder):
    """Exit code and complaints of `docker compose config` for the plan's compose.yaml."""
    for item in compose.artifacts(plan, make_render()):
        place = folder / item.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(item.content)
    done = subprocess.run(
        [readers.find("docker-compose"), "--profile", "*", "config", "--quiet"],
        cwd=folder / "compose",
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def generated(plan, folder):
    """The folder with the plan's units, and those that podman's generator makes of its quadlets."""
    scope = plan.library.config.services.scope
    units, made = folder / "units", folder / "made"
    units.mkdir()
    made.mkdir()
    for item in quadlet.artifacts(plan, make_render()):
        if item.path.parts[1] == scope:
            (units / item.path.name).write_bytes(item.content)
    for item in systemd.artifacts(plan, make_render()):
        (made / item.path.name).write_bytes(item.content)
    words = [readers.find("quadlet"), "-no-kmsg-log", *(["-user"] if scope == "user" else [])]
    done = subprocess.run(
        [*words, made],
        env={"PATH": "/usr/bin:/bin", "QUADLET_UNIT_DIRS": str(units)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return made


def verified(folder):
    """What systemd-analyze says of the units, but for programs that are not on this machine."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(folder.glob("*.service"))],
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in done.stderr.splitlines() if "is not executable" not in line]
