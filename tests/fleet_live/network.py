"""A switch in a network namespace of its own: machines are plugged in, and cables pulled."""

import os
import subprocess
import time
from pathlib import Path

NET = "10.77.0"
# What the person's own machine has, from which `llmgen` is run.
DESK = f"{NET}.254"


class Switch:
    """A bridge; whoever holds it is on it, too."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL
        )
        here, there = Path("/proc/self/ns/net"), Path(f"/proc/{self.holder.pid}/ns/net")
        while os.readlink(here) == os.readlink(there):
            time.sleep(0.01)
        self.must("ip", "link", "set", "lo", "up")
        self.must("ip", "link", "add", "switch", "type", "bridge")
        self.must("ip", "address", "add", f"{DESK}/24", "dev", "switch")
        self.must("ip", "link", "set", "switch", "up")

    def words(self, *words):
        """The words that run a program on the switch."""
        return ["nsenter", "-t", str(self.holder.pid), "-n", "--", *map(str, words)]

    def must(self, *words):
        subprocess.run(self.words(*words), check=True, capture_output=True, text=True)

    def plug(self, pid, name, address):
        """A cable from the namespace of this process, which gets the address."""
        cable = ("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0")
        self.must(*cable, "netns", str(pid))
        self.must("ip", "link", "set", f"to-{name}", "master", "switch", "up")
        for words in (f"address add {address}/24 dev eth0", "link set eth0 up"):
            inside = ["nsenter", "-t", str(pid), "-n", "--", "ip", *words.split()]
            subprocess.run(inside, check=True, capture_output=True)

    def pull(self, name):
        """Nothing goes to that machine or comes from it any longer; nobody is told."""
        self.must("ip", "link", "set", f"to-{name}", "down")

    def put_back(self, name):
        self.must("ip", "link", "set", f"to-{name}", "up")

    def end(self):
        self.holder.kill()
        self.holder.wait()
