"""Real rules in a network namespace of the test's own: reached, refused, and undone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def usable():
    """Whether this machine has nft and lets the test make a namespace."""
    if not all(shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") for name in ("nft", "ip")):
        return False
    done = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return os.geteuid() == 0 and done.returncode == 0


# Runs inside the namespace: a second one beside it plays the other machine.
SCRIPT = r"""
import json, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OPEN, CLOSED, FOREIGN = 4001, 8080, 5555
LLMGEN = [sys.executable, "-m", "llmgen", "-c", sys.argv[1], "firewall"]


def sh(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def serve(port):
    server = ThreadingHTTPServer(("0.0.0.0", port), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()


other = subprocess.Popen(["unshare", "-n", "sleep", "60"])
try:
    sh("ip", "link", "set", "lo", "up")
    while sh("readlink", f"/proc/{other.pid}/ns/net") == sh("readlink", "/proc/self/ns/net"):
        pass
    sh("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(other.pid))
    sh("ip", "addr", "add", "10.99.0.1/24", "dev", "here")
    sh("ip", "link", "set", "here", "up")
    away = ("nsenter", "-t", str(other.pid), "-n")
    sh(*away, "ip", "addr", "add", "10.99.0.2/24", "dev", "there")
    sh(*away, "ip", "link", "set", "there", "up")

    def reached(port, *where, host="10.99.0.1"):
        code = f"import socket; socket.create_connection(('{host}', {port}), 1.5).close()"
        words = [*where, sys.executable, "-c", code]
        return subprocess.run(words, capture_output=True).returncode == 0

    def llmgen(*words):
        done = subprocess.run([*LLMGEN, *words], capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        return done

    def look():
        return {
            "open": reached(OPEN, *away),
            "closed": reached(CLOSED, *away),
            "foreign": reached(FOREIGN, *away),
            "closed_here": reached(CLOSED, host="127.0.0.1"),
        }

    for port in (OPEN, CLOSED, FOREIGN):
        serve(port)
    found = {}
    if sys.argv[2] == "drop":
        sh("nft", "-f", "-", input='''
table inet own {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		ct state established,related accept
		tcp dport 5555 accept comment "the machine's own"
	}
}
''')
    old = sh("nft", "list", "ruleset")
    found["before"] = look()
    llmgen("--apply")
    found["applied"] = look()
    found["status"] = llmgen("--status").stdout.strip()
    once = sh("nft", "list", "ruleset")
    llmgen("--apply")
    found["same_twice"] = once == sh("nft", "list", "ruleset")
    llmgen("--undo")
    found["restored"] = sh("nft", "list", "ruleset") == old
    found["after"] = look()
    found["status_after"] = llmgen("--status").stdout.strip()
    print(json.dumps(found))
finally:
    other.kill()
    other.wait()
"""

TOML = """
edition = 1
[hardware]
os = "linux"
backend = "cpu"
memory = "8GiB"
devices = []
[paths]
home = "/home/llm"
[gateway.envoy]
enable = true
listen = ["0.0.0.0"]
api_keys = [{ name = "a", secret = { env = "A" } }]
"""


@pytest.mark.skipif(not usable(), reason="needs root, nft, ip and network namespaces")
@pytest.mark.parametrize("machine", ["open", "drop"])
def test_what_is_exposed_is_reached_and_undo_restores_the_rules(tmp_path, machine):
    (tmp_path / "llm.toml").write_text(TOML)
    (tmp_path / "script.py").write_text(SCRIPT)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "script.py", "llm.toml", machine],
        cwd=tmp_path,
        env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    shut = machine == "drop"
    before = {"open": not shut, "closed": not shut, "foreign": True, "closed_here": True}
    assert found["before"] == found["after"] == before
    assert found["applied"] == {
        "open": True,
        "closed": False,
        "foreign": True,
        "closed_here": True,
    }
    assert (found["status"], found["status_after"]) == ("applied", "not applied")
    assert found["same_twice"]
    assert found["restored"]
