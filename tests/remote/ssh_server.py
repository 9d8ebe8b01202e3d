"""A real sshd on loopback, with a key for each kind of login shell that a test wants."""

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import readers

from llmgen.remote.connection import HostBounds
from llmgen.remote.destination import destination
from llmgen.remote.host import Host

# Where llmgen of these tests is, as the keeper looks for it.
LLMGEN = str(Path(sys.executable).parent / "llmgen")
QUICK = HostBounds(connect_seconds=5, greeting_seconds=20, seconds=60)
SSHD = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile {folder}/authorized_keys
MaxStartups 100
SetEnv TMPDIR={folder}/there HOME={folder}/home
"""
CLIENT = """\
Host *
  HostName 127.0.0.1
  Port {port}
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
  IdentitiesOnly yes
  IdentityFile {folder}/keys/%n
"""


class Server:
    """One sshd; what each name of a host does there is in its authorized_keys."""

    def __init__(self, folder):
        self.folder = folder
        # A home of its own: what the user's login files start (pyenv takes a lock) has no part in it.
        for name in ("there", "home", "keys", "bin"):
            (folder / name).mkdir()
        (folder / "authorized_keys").touch()
        self.keygen(folder / "host_key")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "sshd_config").write_text(SSHD.format(port=self.port, folder=folder))
        self.settings(CLIENT.format(port=self.port, folder=folder))
        self.trust(folder / "host_key.pub")
        # The user's own ~/.ssh/config is not read: this file stands in its place.
        wrapper = folder / "bin" / "ssh"
        real = shlex.quote(str(readers.find("ssh")))
        wrapper.write_text(f'#!/bin/sh\nexec {real} -F {folder}/ssh_config "$@"\n')
        wrapper.chmod(0o755)
        self.process = None

    def settings(self, text):
        """What would be in ~/.ssh/config."""
        (self.folder / "ssh_config").write_text(text)

    def trust(self, public):
        """Write the server's key to known_hosts."""
        kind, key, *_ = public.read_text().split()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def keygen(self, path):
        words = [readers.find("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", path]
        subprocess.run(words, check=True)

    def start(self):
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [readers.find("sshd"), "-D", "-e", "-f", self.folder / "sshd_config"],
                stderr=log,
            )
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self):
        """End the server with all of its connections; what runs in these loses them."""
        if self.process.poll() is not None:
            return
        listener = psutil.Process(self.process.pid)
        everything = [listener, *listener.children(recursive=True)]
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name().startswith("sshd"):
                    process.kill()
        self.process.wait()

    def host(self, name, shell='exec sh -c "$SSH_ORIGINAL_COMMAND"', llmgen=LLMGEN):
        """A host that runs this in the place of a login shell; the key has the host's name."""
        self.keygen(self.folder / "keys" / name)
        script = self.folder / "bin" / f"shell-of-{name}"
        script.write_text(f"#!/bin/sh\n{shell}\n")
        script.chmod(0o755)
        public = (self.folder / "keys" / f"{name}.pub").read_text()
        with (self.folder / "authorized_keys").open("a") as keys:
            keys.write(f'restrict,command="{script}" {public}')
        return Host(name, destination(name), llmgen)

    def left(self):
        """What is left of the private folders on the host."""
        return sorted(path.name for path in (self.folder / "there").iterdir())


def within(seconds, holds):
    """Whether it holds before the time is over."""
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.1)
    return holds()
