"""A booted systemd with the readers' podman: its quadlet generator, its socket, docker's compose."""

import sys
from pathlib import Path

import readers
from readers import images
from readers.podman import top, write_settings

sys.path.insert(0, str(Path(__file__).parents[1] / "systemd"))

from booted import OVERLAID, Booted, until, why_not

__all__ = ["PodmanMachine", "why_not"]

PODMAN = """\
#!/bin/sh
PODMAN_IGNORE_CGROUPSV1_WARNING=1 PATH={top}/bin:{compose}:$PATH
export PATH PODMAN_IGNORE_CGROUPSV1_WARNING
exec {top}/bin/podman "$@"
"""
SOCKET = """\
[Service]
ExecStart=/usr/bin/podman system service --time=0 unix:///run/podman/podman.sock
RuntimeDirectory=podman
"""


class PodmanMachine(Booted):
    """One booted machine whose network and containers are its own."""

    def __init__(self):
        super().__init__((*OVERLAID, "usr"), alone=True)
        write_settings(self.path("/etc/containers"), "/run/containers/graph", [images.store()])
        compose = readers.find("docker-compose").parent
        self.program("/usr/bin/podman", PODMAN.format(top=top(), compose=compose))
        generators = "/usr/lib/systemd/system-generators"
        self.must("ln", "-sf", top() / "bin/quadlet", f"{generators}/podman-system-generator")
        self.path("/run/systemd/system/podman-service.service").write_text(SOCKET)
        self.must("systemctl", "daemon-reload")
        self.must("systemctl", "start", "podman-service")
        until(self.path("/run/podman/podman.sock").exists)

    def program(self, name, text):
        """A script that everybody may run."""
        self.must("rm", "-f", name)
        self.path(name).write_text(text)
        self.must("chmod", "755", name)

    def podman(self, *words):
        """What podman says."""
        return self.must("podman", *words)

    def containers(self):
        """The names of all containers, running or not."""
        return sorted(self.podman("ps", "--all", "--format={{.Names}}").split())
