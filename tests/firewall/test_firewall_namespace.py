"""Real rules in namespaces of the test's own: reached, refused, and undone; by nft and by ufw."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest


def usable():
    """Whether this machine lets the test make a namespace."""
    if not shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin"):
        return False
    words = ["unshare", "-n", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    done = subprocess.run(words, capture_output=True, check=False)
    ipv6 = Path("/proc/net/if_inet6").exists()
    return os.geteuid() == 0 and ipv6 and done.returncode == 0


# Runs inside the namespace: a second one beside it plays the other machine.
SCRIPT = r"""
import json, re, shutil, socket, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OPEN, CLOSED, FOREIGN = 4001, 8080, 5555
ADDRESSES = {"": "10.99.0.1", "6": "fd99::1"}
MACHINE = sys.argv[1]
TOOL = "ufw" if MACHINE == "ufw" else "nft"
LLMGEN = [sys.executable, "-m", "llmgen", "-c", "llm.toml", "firewall", "--tool", TOOL]


def sh(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout


REACHED = '''
import socket

def reached(address):
    try:
        socket.create_connection(tuple(address), 1.5).close()
    except OSError:
        return False
    return True
'''
exec(REACHED)
ASK = REACHED + '''
import json, sys
from concurrent.futures import ThreadPoolExecutor

asked = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(asked)) as pool:
    print(json.dumps(dict(zip(asked, pool.map(reached, asked.values())))))
'''


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Six(ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


def serve(port):
    for kind, every in ((ThreadingHTTPServer, "0.0.0.0"), (Six, "::")):
        server = kind((every, port), Hello)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def rules():
    if TOOL == "nft":
        return sh("nft", "list", "ruleset")
    saved = [open(f"/etc/ufw/{name}").read() for name in ("user.rules", "user6.rules")]
    for program in ("iptables-save", "ip6tables-save"):
        # Without its comments (the time) and the counters of chains.
        saved.append(re.sub(r"^#.*$|\[\d+:\d+\]", "", sh(program), flags=re.M))
    return "".join(saved)


other = subprocess.Popen(["unshare", "-n", "sleep", "600"])
try:
    sh("ip", "link", "set", "lo", "up")
    while sh("readlink", f"/proc/{other.pid}/ns/net") == sh("readlink", "/proc/self/ns/net"):
        pass
    sh("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(other.pid))
    away = ("nsenter", "-t", str(other.pid), "-n")
    for words, device, end in (((), "here", 1), (away, "there", 2)):
        sh(*words, "ip", "addr", "add", f"10.99.0.{end}/24", "dev", device)
        sh(*words, "ip", "addr", "add", f"fd99::{end}/64", "dev", device, "nodad")
        sh(*words, "ip", "link", "set", device, "up")

    def llmgen(*words):
        done = subprocess.run([*LLMGEN, *words], capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout.strip()

    def look():
        ports = (("open", OPEN), ("closed", CLOSED), ("foreign", FOREIGN))
        asked = {
            name + family: (host, port)
            for family, host in ADDRESSES.items()
            for name, port in ports
        }
        found = json.loads(sh(*away, sys.executable, "-c", ASK, json.dumps(asked)))
        return found | {"closed_here": reached(("127.0.0.1", CLOSED))}

    for port in (OPEN, CLOSED, FOREIGN):
        serve(port)
    found = {}
    if MACHINE == "drop":
        sh("nft", "-f", "-", input='''
table inet own {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport 5555 accept comment "the machine's own"
	}
}
''')
    if TOOL == "ufw":
        shutil.copytree("/etc/ufw", "ufw")
        sh("mount", "--bind", "ufw", "/etc/ufw")
        done = subprocess.run(["ufw", "--force", "enable"], capture_output=True, text=True)
        if done.returncode:
            print(json.dumps({"why_not": done.stderr}))
            sys.exit()
        sh("ufw", "allow", "5555/tcp", "comment", "own")
        # It writes two rules of its own limit chains only when it reads its files once more.
        sh("ufw", "reload")
    old = rules()
    found["before"] = look()
    llmgen("--apply")
    found["applied"] = look()
    found["status"] = llmgen("--status") if TOOL == "nft" else sh("ufw", "status")
    once = rules()
    llmgen("--apply")
    found["same_twice"] = once == rules()
    llmgen("--undo")
    found["restored"] = rules() == old
    found["after"] = look()
    found["status_after"] = llmgen("--status") if TOOL == "nft" else sh("ufw", "status")
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
[services]
peers = [{peers}]
[gateway.envoy]
enable = true
listen = [{listen}]
api_keys = [{{ name = "a", secret = {{ env = "A" }} }}]
"""


BOTH = '"0.0.0.0", "::"'
MACHINES = [
    pytest.param("drop", BOTH, "", id="nft-drop"),
    pytest.param("open", BOTH, "", id="nft-open"),
    pytest.param("drop", '"fd99::1"', "", id="nft-drop-only-ipv6"),
    pytest.param("drop", '"10.99.0.1"', "", id="nft-drop-only-ipv4"),
    pytest.param("drop", BOTH, '"10.99.0.2"', id="nft-drop-one-host"),
    pytest.param("open", BOTH, '"10.99.0.3", "fd99::3"', id="nft-open-other-hosts"),
    pytest.param("ufw", BOTH, "", id="ufw", marks=pytest.mark.reader("ufw")),
    pytest.param("ufw", BOTH, '"fd99::2"', id="ufw-one-host", marks=pytest.mark.reader("ufw")),
    pytest.param("ufw", '"fd99::1"', "", id="ufw-only-ipv6", marks=pytest.mark.reader("ufw")),
]


NFT = [param.values for param in MACHINES if param.values[0] != "ufw"]


def run(folder, machine, listen, peers):
    folder.mkdir()
    (folder / "llm.toml").write_text(TOML.format(listen=listen, peers=peers))
    (folder / "script.py").write_text(SCRIPT)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["unshare", "-n", "-m", sys.executable, "script.py", machine],
        cwd=folder,
        env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def of_nft(request, tmp_path_factory):
    """All machines with nft that are asked for at once, since what is dropped is waited for; ufw has one lock."""
    folder = tmp_path_factory.mktemp("nft")
    params = [
        item.callspec.params
        for item in request.session.items
        if "of_nft" in vars(item).get("fixturenames", ())
    ]
    named = [(one["machine"], one["listen"], one["peers"]) for one in params]
    asked = [item for item in NFT if item in named]
    with ThreadPoolExecutor(len(asked)) as pool:
        yield {
            item: pool.submit(run, folder / str(number), *item) for number, item in enumerate(asked)
        }


@pytest.mark.reader("nft")
@pytest.mark.skipif(not usable(), reason="needs root, ip, IPv6 and namespaces")
@pytest.mark.sample(8)
@pytest.mark.parametrize(("machine", "listen", "peers"), MACHINES)
def test_what_is_exposed_is_reached_and_undo_restores_the_rules(
    tmp_path, of_nft, machine, listen, peers
):
    if machine == "ufw":
        found = run(tmp_path / "ufw", machine, listen, peers)
    else:
        found = of_nft[machine, listen, peers].result()
    if "why_not" in found:
        pytest.skip(f"ufw does not run on this kernel: {found['why_not']}")
    shut = machine != "open"
    four, six = listen != '"fd99::1"', listen != '"10.99.0.1"'
    if peers:
        four, six = "10.99.0.2" in peers, "fd99::2" in peers
    always = {"foreign": True, "foreign6": True, "closed_here": True}
    before = dict.fromkeys(("open", "closed", "open6", "closed6"), not shut) | always
    applied = {"open": four, "open6": six, "closed": False, "closed6": False} | always
    assert found["before"] == found["after"] == before
    assert found["applied"] == applied
    if machine == "ufw":
        assert ("llmgen envoy" in found["status"], "llmgen" in found["status_after"]) == (1, 0)
    else:
        assert (found["status"], found["status_after"]) == ("applied", "not applied")
    assert found["same_twice"]
    assert found["restored"]
