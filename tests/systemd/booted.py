"""A real systemd as PID 1 of its own namespaces, for tests; the machine around it stays as it is.

Everything that it writes goes into memory: `/run`, `/tmp`, `/var/tmp` are private, and `/etc`,
`/var`, `/home`, `/opt`, `/root` are overlays. Its cgroups stand below one folder in each
hierarchy and are removed with it. systemd ignores SIGTERM as PID 1, so SIGKILL ends it.
"""

import os
import shlex
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# Where the repository is seen inside, wherever it lies outside.
INSIDE = "/run/llmgen-source"
SYSTEMD = Path("/usr/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")
# Folders that programs write to and that must stay as they are.
OVERLAID = ("etc", "var", "home", "opt", "root")
# Their work would reach the kernel or the devices that are shared with the machine.
MASKED = (
    "systemd-sysctl.service",
    "systemd-modules-load.service",
    "systemd-binfmt.service",
    "systemd-remount-fs.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-update-utmp.service",
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-hwdb-update.service",
    "systemd-timesyncd.service",
    "systemd-pstore.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "sys-kernel-config.mount",
    "sys-fs-fuse-connections.mount",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "fstrim.timer",
    "e2scrub_reap.service",
)
BOOT = r"""
set -eu
ip link set lo up
# systemd uses a v1 controller only where the folder that it runs in exists there too.
for tree in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup/memory; do
  [ -d $tree ] || continue
  mkdir -p $tree/$NAME
  echo $$ > $tree/$NAME/cgroup.procs
done
if [ -f /sys/fs/cgroup/cgroup.procs ]; then
  mkdir -p /sys/fs/cgroup/$NAME
  echo $$ > /sys/fs/cgroup/$NAME/cgroup.procs
fi
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/systemd /run/over /run/outside $INSIDE
mount --bind "$REPOSITORY" $INSIDE
# A checkout or a reader below /tmp stays in reach of `bring`.
mount --bind /tmp /run/outside
mount -t tmpfs tmpfs /tmp
for folder in $OVERLAID; do
  mkdir -p /run/over/$folder/up /run/over/$folder/work
  mount -t overlay overlay /$folder \
    -o lowerdir=/$folder,upperdir=/run/over/$folder/up,workdir=/run/over/$folder/work
done
mount -t tmpfs tmpfs /var/tmp
rm -rf /etc/systemd/system/*
for unit in $MASKED; do ln -s /dev/null /etc/systemd/system/$unit; done
touch /etc/machine-id
echo $HOSTNAME > /etc/hostname
exec env -i container=unshare PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin \
  /usr/lib/systemd/systemd --unit=basic.target --log-target=null --show-status=no
"""


def why_not():
    """Why no systemd can be booted here; empty when one can."""
    if os.geteuid() != 0:
        return "needs root"
    if not SYSTEMD.exists():
        return "systemd is not installed"
    words = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "sh", "-c"]
    overlay = "mount -t tmpfs t /run && mkdir /run/u /run/w && "
    overlay += "mount -t overlay o /opt -o lowerdir=/opt,upperdir=/run/u,workdir=/run/w"
    tried = subprocess.run([*words, overlay], capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode else ""


class Booted:
    """One running systemd; `run` starts programs in it.

    ``overlaid`` are the folders in which nothing that is written stays. With ``alone`` its network
    is not the machine's. ``label`` tells machines of one process apart, and is the hostname.
    """

    def __init__(self, overlaid=OVERLAID, alone=False, label=""):
        label = label or ("alone" if alone else "")
        self.name = "-".join(filter(None, ("llmgen-test", str(os.getpid()), label)))
        self.alone = alone
        environment = {**os.environ, "NAME": self.name, "MASKED": " ".join(MASKED)}
        environment |= {"REPOSITORY": str(REPOSITORY), "INSIDE": INSIDE}
        environment["HOSTNAME"] = label or self.name
        environment["OVERLAID"] = " ".join(overlaid)
        isolated = "--pid --mount --uts --ipc --mount-proc --fork --propagation=private"
        isolated += " --net" if alone else ""
        self.outer = subprocess.Popen(
            ["unshare", *isolated.split(), "sh", "-c", BOOT],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.pid = self._first_process()
        until(self._is_up)
        self.must("systemctl", "start", "dbus.socket", "systemd-logind.service")
        self.bring(sys.base_prefix, "/opt/python")
        self.bring(sysconfig.get_path("purelib"), "/opt/site")
        self.path("/opt/llmgen").write_text(
            f'#!/bin/sh\nexec {shlex.join(self.python())} -m llmgen "$@"\n'
        )
        self.must("chmod", "755", "/opt/llmgen")

    def _first_process(self):
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        return int(until(lambda: children.read_text().split() if children.exists() else []).pop())

    def _is_up(self):
        if self.outer.poll() is not None:
            raise RuntimeError(self.outer.stderr.read().decode())
        if Path(f"/proc/{self.pid}/comm").read_text() != "systemd\n":
            return False
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def run(self, *words, user=None, **settings):
        """A program inside, as root or as a user with a session bus."""
        inside = ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-i"]
        inside += ["-n"] if self.alone else []
        if user:
            uid = self.must("id", "-u", user).strip()
            home = [f"HOME=/home/{user}", f"USER={user}", f"XDG_RUNTIME_DIR=/run/user/{uid}"]
            inside += ["runuser", "-u", user, "--", "env", "-u", "XDG_STATE_HOME", *home]
        return subprocess.run(
            [*inside, *map(str, words)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **settings,
        )

    def must(self, *words, user=None, **settings):
        """The output of a program that has to succeed."""
        done = self.run(*words, user=user, **settings)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def path(self, name):
        """A path inside, as it can be reached from outside."""
        return Path(f"/proc/{self.pid}/root{name}")

    def llmgen(self, *words, folder="/opt/stack", user=None):
        """llmgen of this repository, run inside."""
        return self.run(
            *self.python(), "-m", "llmgen", "-c", f"{folder}/llm.toml", *words, user=user
        )

    def python(self):
        """This Python with the repository's modules, where every user and unit may run it."""
        binary = f"/opt/python/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
        # A shared libpython of another build may be the first that the loader finds.
        library = "LD_LIBRARY_PATH=/opt/python/lib"
        paths = f"PYTHONPATH={INSIDE}:/opt/site"
        return ["env", library, paths, "PYTHONDONTWRITEBYTECODE=1", binary]

    def bring(self, outside, inside):
        """Show a folder of the machine around at another place inside."""
        source = Path(outside).resolve()
        if source.is_relative_to("/tmp"):
            source = Path("/run/outside") / source.relative_to("/tmp")
        self.must("mkdir", "-p", inside)
        self.must("mount", "--bind", source, inside)

    def show(self, unit, key, user=None):
        """One property of a unit."""
        manager = ["--user"] if user else []
        return self.must(
            "systemctl", *manager, "show", "--value", f"-p{key}", unit, user=user
        ).strip()

    def end(self):
        """Kill it by its own id, and remove the cgroups that it leaves."""
        os.kill(self.pid, signal.SIGKILL)
        self.outer.wait(30)
        self.outer.stderr.close()
        until(self._removed)

    def _removed(self):
        for top in [CGROUPS / self.name, *CGROUPS.glob(f"*/{self.name}")]:
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    return False
        return True


def until(true, seconds=60):
    """The first true value of a call; a failure when it takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(true)
