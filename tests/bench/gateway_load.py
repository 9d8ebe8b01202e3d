"""Load on the gateways, side by side in one run; writes tests/bench/results/gateway_load.md.

Needs Go, Envoy and LiteLLM; run it on a quiet machine, it is no test:

    .venv/bin/python tests/bench/gateway_load.py

The server is a fake that answers at once (or 100 chunks a second), so that only the gateways are
measured: direct, Envoy routing by path alone, the whole chain that llmgen writes (routes by the
body's model, keys, limits, token counts, JSON log, metrics), and LiteLLM as llmgen writes it.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "live")]

import readers  # noqa: E402
import stack as live  # noqa: E402
import yaml  # noqa: E402
from readers.ports import free_ports  # noqa: E402

from llmgen.gateway.publish import publish  # noqa: E402

KEY = "sk-bench-0123456789"
ROUNDS = 3
# Requests in one round: body, connections, direct and Envoy, LiteLLM.
CELLS = (
    ("small", 1, 1500, 60),
    ("small", 16, 4000, 150),
    ("small", 64, 4000, 150),
    ("200 KB", 1, 300, 30),
    ("200 KB", 16, 600, 60),
    ("200 KB", 64, 400, 64),
    ("1 MB", 1, 100, 20),
    ("1 MB", 16, 200, 32),
    ("1 MB", 64, 128, 64),
)
STREAMS = ((1, 4), (16, 32))
FLAT, RELOAD = 100_000, 12_000

TEXT = """
[services]
on_demand = "none"
start_port = {server}
[gateway.envoy]
enable = true
port = {envoy}
admin_port = {admin}
queue = 128
requests_per_minute = 100000000
cors_origins = ["http://localhost:3000"]
access_log = "access.log"
{keys}
[gateway.litellm]
enable = true
port = {litellm}
master_key = {{ env = "BENCH_KEY" }}
[models.small]
model = "chat.gguf"
parallel = 64
ctx_size = "64K"
aliases = {aliases}
replicas = {replicas}
"""

PATH_ONLY = """
static_resources:
  listeners:
    - name: path
      address: {{socket_address: {{address: 127.0.0.1, port_value: {path}}}}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: path
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: {{path: /v1/chat/completions}}
                          route: {{cluster: server, timeout: 0s}}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: server
      type: STATIC
      load_assignment:
        cluster_name: server
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address: {{socket_address: {{address: 127.0.0.1, port_value: {server}}}}}
"""


class Bench:
    def __init__(self, folder):
        self.folder, self.program = folder, folder / "gateway_load"
        go = shutil.which("go") or "/usr/local/go/bin/go"
        environment = os.environ | {"GO111MODULE": "off", "CGO_ENABLED": "0"}
        source = HERE / "gateway_load.go"
        subprocess.run([go, "build", "-o", self.program, source], env=environment, check=True)
        names = ("envoy", "admin", "litellm", "path", "server", "other")
        first = free_ports(10)[0]
        self.ports = {name: first + index for index, name in enumerate(names)}
        live.write_models(folder / "models")
        (folder / "second.key").write_text("sk-second\n")
        self.stack = live.Stack(self.text(), folder, {"BENCH_KEY": KEY})
        self.running = []
        self.bodies = {name: folder / name.replace(" ", "") for name in ("small", "200 KB", "1 MB")}
        for name, size in (("small", 40), ("200 KB", 200_000), ("1 MB", 1_000_000)):
            self.bodies[name].write_text(body(size))
        self.bodies["stream"] = folder / "stream"
        self.bodies["stream"].write_text(body(40, stream=True))

    def text(self, aliases=("gpt-4o",), replicas=(), second=False):
        keys = ['{ name = "bench", secret = { env = "BENCH_KEY" } }']
        if second:
            keys.append(f'{{ name = "second", secret = {{ file = "{self.folder}/second.key" }} }}')
        return TEXT.format_map(
            {
                **self.ports,
                "aliases": json.dumps(list(aliases)),
                "replicas": json.dumps([f"127.0.0.1:{port}" for port in replicas]),
                "keys": f"api_keys = [{', '.join(keys)}]",
            }
        )

    def __enter__(self):
        for name in ("server", "other"):
            self.run_beside([self.program, "serve", str(self.ports[name])])
        (self.folder / "path.yaml").write_text(PATH_ONLY.format_map(self.ports))
        words = ["--concurrency", "1", "--disable-hot-restart", "-l", "error"]
        self.run_beside([readers.find("envoy"), "-c", self.folder / "path.yaml", *words])
        for name in ("envoy", "litellm"):
            self.stack.start(name)
        for name in ("envoy", "litellm"):
            self.stack.wait(name, 90)
        return self

    def __exit__(self, *_):
        self.stack.__exit__()
        for process in self.running:
            process.terminate()
            process.wait(10)

    def run_beside(self, words):
        self.running.append(
            subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

    def load(self, target, file, requests, connections, *, stream=False):
        port = self.ports[
            {"direct": "server", "path": "path", "chain": "envoy"}.get(target, target)
        ]
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        kind = "stream" if stream else "plain"
        words = [self.program, "load", url, KEY, file, str(requests), str(connections), kind]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        assert not found["wrong"], (target, found["wrong"])
        return found

    def memory(self, name):
        """Resident memory of a service's process, in MiB."""
        process = self.stack.processes[name].pid
        status = Path(f"/proc/{process}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def body(size, *, stream=False):
    message = {"role": "user", "content": "word " * (size // 5)}
    return json.dumps({"model": "gpt-4o", "stream": stream, "messages": [message]})


TARGETS = ("direct", "path", "chain", "litellm")


def measure(bench):
    """Medians over interleaved rounds, for each cell and target."""
    found = {}
    for target in TARGETS:
        bench.load(target, bench.bodies["small"], 40, 4)
    for _ in range(ROUNDS):
        for name, connections, fast, slow in CELLS:
            for target in TARGETS:
                count = slow if target == "litellm" else fast
                row = bench.load(target, bench.bodies[name], count, connections)
                found.setdefault((name, connections, target), []).append(row)
        for connections, count in STREAMS:
            for target in TARGETS:
                row = bench.load(target, bench.bodies["stream"], count, connections, stream=True)
                found.setdefault(("stream", connections, target), []).append(row)
        print("a round is done", file=sys.stderr)
    return {key: median(rows) for key, rows in found.items()}


def median(rows):
    keys = ("p50", "p99", "first", "delay50", "delay99", "rate")
    every = {"every": [row["p50"] for row in rows]}
    return {key: statistics.median(row[key] for row in rows) for key in keys} | every


def ratios(found, name, count, other):
    """The chain's p50 against another target's, round by round: what is noise differs in each."""
    ours, theirs = (found[name, count, target]["every"] for target in ("chain", other))
    return sorted(one / two for one, two in zip(ours, theirs, strict=True))


def flat(bench):
    """Memory of the whole chain after a fifth and after all of many requests."""
    bench.load("chain", bench.bodies["small"], FLAT // 5, 16)
    before = bench.memory("envoy")
    bench.load("chain", bench.bodies["small"], FLAT - FLAT // 5, 16)
    return before, bench.memory("envoy")


def reload(bench):
    """Requests served while aliases, keys, routes and servers change; and how soon each is live."""
    result, live_after = {}, []

    def ask():
        result.update(bench.load("chain", bench.bodies["small"], RELOAD, 8))

    thread = threading.Thread(target=ask)
    thread.start()
    turn, changes = 0, 0
    manifest = bench.folder / "etc" / "envoy" / "keys.json"
    os.environ["BENCH_KEY"] = KEY
    while thread.is_alive():
        alias = f"fresh-{turn}"
        bench.stack.apply(
            bench.text(
                aliases=("gpt-4o", alias),
                replicas=(bench.ports["other"],) if turn % 2 else (),
                second=bool(turn % 3),
            )
        )
        changes += len(publish(manifest))
        renamed = time.perf_counter()
        while not served(bench, alias):
            assert time.perf_counter() - renamed < 5, alias
        live_after.append(1000 * (time.perf_counter() - renamed))
        turn += 1
    thread.join()
    return result, live_after, changes


def served(bench, alias):
    body = {"model": alias, "messages": []}
    url = f"http://127.0.0.1:{bench.ports['envoy']}/v1/chat/completions"
    return live.post(url, body, authorization=f"Bearer {KEY}")[0] == 200


TITLES = {
    "direct": "direct",
    "path": "Envoy, path only",
    "chain": "**Envoy, the whole chain**",
    "litellm": "LiteLLM",
}


NAMED = {"path": "path only", "direct": "direct"}


def report(found, memory, reloaded, sizes):
    sections = []
    heads = [f"{name}, {count}" for name, count, _, _ in CELLS]
    lines = [row(["p50 / p99 in ms", *heads]), rule(len(heads) + 1)]
    for target in TARGETS:
        cells = (found[name, count, target] for name, count, _, _ in CELLS)
        shown = [f"{cell['p50']:.2f} / {cell['p99']:.1f}" for cell in cells]
        lines.append(row([TITLES[target], *shown]))
    sections.append(lines)
    small = [(count, f"{count} connections") for name, count, _, _ in CELLS if name == "small"]
    lines = [row(["small bodies, requests/s", *(title for _, title in small)]), rule(4)]
    for target in TARGETS:
        rates = [f"{found['small', count, target]['rate']:,.0f}" for count, _ in small]
        lines.append(row([TITLES[target], *rates]))
    sections.append(lines)
    heads = ["first byte p50", "chunk delay p50 / p99"]
    lines = [row(["streaming, ms", *(f"{h}, {c}" for c, _ in STREAMS for h in heads)]), rule(5)]
    for target in TARGETS:
        shown = []
        for count, _ in STREAMS:
            cell = found["stream", count, target]
            shown += [f"{cell['first']:.1f}", f"{cell['delay50']:.2f} / {cell['delay99']:.2f}"]
        lines.append(row([TITLES[target], *shown]))
    sections.append(lines)
    return "\n\n".join(
        [
            HEAD,
            *("\n".join(lines) for lines in sections),
            "## What it must show\n\n" + "\n".join(claims(found, memory, reloaded)),
            RESIDENT.format_map(sizes),
        ]
    )


HEAD = """# Gateways under load

Written by `tests/bench/gateway_load.py`: medians of three interleaved rounds on one machine, all on
loopback, with a fake server in Go that answers at once (100 chunks a second when streaming), one
worker each. The number after a size is the number of connections. Absolute times belong to the
machine; compare within a table."""


RESIDENT = (
    "Resident memory at the end: Envoy {envoy:.0f} MiB, LiteLLM {litellm:.0f} MiB "
    "(one worker, its children not counted)."
)


def claims(found, memory, reloaded):
    delay = {target: found["stream", 1, target]["delay50"] for target in TARGETS}
    rate = {target: found["small", 16, target]["rate"] for target in TARGETS}
    result, live_after, changes = reloaded
    for other, most in (("path", 1.5), ("direct", 3.5)):
        yield f"- whole chain against {NAMED[other]}, small, p50 (at most {most} times):"
        for count in (count for name, count, _, _ in CELLS if name == "small"):
            p50 = {target: found["small", count, target]["p50"] for target in TARGETS}
            plural = "connection" if count == 1 else "connections"
            yield f"  - {count} {plural}: {p50['chain'] / p50[other]:.2f} times"
    yield (
        "- whole chain against path only, large bodies, p50 of each round, lowest first "
        "(at most 1.5 times on a quiet machine):"
    )
    for name, count in (("200 KB", 1), ("200 KB", 16), ("1 MB", 1), ("1 MB", 16)):
        plural = "connection" if count == 1 else "connections"
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios(found, name, count, "path"))
        yield f"  - {name}, {count} {plural}: {shown}"
    yield claim("chunk delay against direct, p50", delay["chain"] / delay["direct"], 3.0)
    factor = rate["chain"] / rate["litellm"]
    yield f"- requests/s against LiteLLM at 16 connections: {factor:.0f} times (at least 50)"
    before, after = memory
    flat = f"{before:.1f} MiB after a fifth, {after:.1f} MiB at the end"
    yield f"- memory over {FLAT:,} requests: {flat}"
    yield (
        f"- reload under load: {result['served']:,} requests, 0 failed, through {len(live_after)} "
        f"changes of aliases, keys and servers ({changes} files written); a new alias is live after "
        f"{statistics.median(live_after):.0f} ms (at most {max(live_after):.0f} ms; wanted: 100 ms)"
    )


def claim(title, value, most):
    return f"- {title}: {value:.2f} times (at most {most})"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def rule(count):
    return "|" + " --- |" * count


def main():
    with tempfile.TemporaryDirectory() as folder, Bench(Path(folder)) as bench:
        assert yaml.safe_load(PATH_ONLY.format_map(bench.ports))
        found = measure(bench)
        memory = flat(bench)
        reloaded = reload(bench)
        sizes = {name: bench.memory(name) for name in ("envoy", "litellm")}
    text = report(found, memory, reloaded, sizes)
    (HERE / "results" / "gateway_load.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
