"""A real podman in namespaces of its own: storage, network and processes of the machine stay as they are."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import readers

# Without CAP_SYS_RESOURCE the runtime may not raise limits, so each container gets low ones;
# conmon in a cgroup of its own is refused by the hybrid layout.
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
cgroups = "no-conmon"
seccomp_profile = "{top}/usr/share/containers/seccomp.json"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
conmon_path = ["{top}/bin/conmon"]
helper_binaries_dir = ["{top}/bin"]
[engine.runtimes]
runc = ["{top}/bin/runc"]
"""
STORAGE = """\
[storage]
driver = "{driver}"
graphroot = "{graph}"
runroot = "/run/containers/storage"
[storage.options]
additionalimagestores = [{more}]
"""
CGROUPS = Path("/sys/fs/cgroup")
POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'
# /run and /dev/shm have podman's locks, which it shares with every other podman that it finds there.
INIT = r"""
set -eu
ip link set lo up
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
mkdir -p /run/lock /etc/containers
mount -t tmpfs tmpfs /etc/containers
cp "$SETTINGS"/* /etc/containers/
exec sleep infinity
"""


def top():
    """The folder of the unpacked podman."""
    return readers.home() / readers.pin_of("podman")["folder"]


def environment():
    """What every podman needs to be told; it warns of cgroup v1 on each line otherwise."""
    path = f"{top() / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1", "HOME": "/run", "LANG": "C.UTF-8"}


def write_settings(folder, graph, stores=()):
    """Files of /etc/containers for a podman with its storage at ``graph``.

    ``stores`` are image stores that it reads besides.
    """
    folder.mkdir(parents=True, exist_ok=True)
    more = ", ".join(f'"{store}"' for store in stores)
    (folder / "containers.conf").write_text(CONTAINERS.format(top=top()))
    (folder / "storage.conf").write_text(STORAGE.format(driver="overlay", graph=graph, more=more))
    (folder / "policy.json").write_text(POLICY)
    (folder / "registries.conf").write_text("")


def why_not():
    """Why no podman can run here; empty when one can."""
    if os.geteuid() != 0:
        return "needs root"
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "true"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stderr.strip()


class Podman:
    """One podman with storage of its own; ``end`` ends all that it started.

    Its network is not the machine's: what a container publishes is reached by ``run("curl", …)``.
    """

    def __init__(self, folder, stores=()):
        self.folder = Path(folder)
        self.graph = self.folder / "storage"
        write_settings(self.folder / "settings", self.graph, stores)
        isolated = "--net --mount --pid --uts --ipc --mount-proc --fork --propagation=private"
        self.outer = subprocess.Popen(
            ["unshare", *isolated.split(), "sh", "-c", INIT],
            env={**os.environ, "SETTINGS": str(self.folder / "settings")},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.pid = self._first_process()

    def _first_process(self):
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.outer.poll() is not None:
                raise RuntimeError(self.outer.stderr.read().decode())
            found = children.read_text().split()
            with contextlib.suppress(FileNotFoundError):
                if found and Path(f"/proc/{found[0]}/comm").read_text() == "sleep\n":
                    return int(found[0])
            time.sleep(0.02)
        raise TimeoutError("the namespaces of podman did not come up")

    def inside(self, *words, environ=None):
        """The words of a command that runs in there."""
        variables = {**environment(), **(environ or {})}
        pairs = [f"{name}={value}" for name, value in variables.items()]
        enter = ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "-u", "-i"]
        return [*enter, "env", "-i", *pairs, *map(str, words)]

    def run(self, *words, environ=None, **settings):
        """A program in there, run to its end; ``podman`` is the one of the readers."""
        settings = {"timeout": 600, **settings}
        return subprocess.run(
            self.inside(*words, environ=environ), capture_output=True, text=True, check=False, **settings
        )  # fmt: skip

    def must(self, *words, **settings):
        """The output of a program that has to succeed."""
        done = self.run(*words, **settings)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def start(self, *words, environ=None, **settings):
        """A program in there that goes on; the caller ends it, or `end` does."""
        return subprocess.Popen(self.inside(*words, environ=environ), **settings)

    @contextlib.contextmanager
    def socket(self):
        """podman's service for programs that know docker's interface; the value of DOCKER_HOST."""
        address = "unix:///run/podman.sock"
        process = self.start("podman", "system", "service", "--time=0", address)
        try:
            end = time.monotonic() + 30
            while self.run("test", "-S", "/run/podman.sock").returncode:
                assert time.monotonic() < end
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait(30)

    def end(self):
        """Remove every container with its cgroup, then kill the namespaces' first process."""
        self.run("podman", "rm", "--all", "--force", "--time=0")
        os.kill(self.pid, signal.SIGKILL)
        self.outer.wait(30)
        self.outer.stderr.close()
        for parent in (*CGROUPS.glob("*/libpod_parent"), *CGROUPS.glob("libpod_parent")):
            # Another podman may use the same folder.
            with contextlib.suppress(OSError):
                parent.rmdir()
