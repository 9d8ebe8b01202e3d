"""What the parts of Envoy's chain cost a small request; writes tests/bench/results/gateway_parts.md.

Needs Go and Envoy; no test:

    .venv/bin/python tests/bench/gateway_parts.py

Every Envoy runs at once and is asked in turn, round after round, and what is compared is the
processor time that its process took: on a busy machine times of answers say nothing.
"""

import copy
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "live"), str(HERE)]

import gateway_load as gateway  # noqa: E402
import readers  # noqa: E402
import stack as live  # noqa: E402
import yaml  # noqa: E402
from readers.ports import free_ports  # noqa: E402

from llmgen.gateway.secrets import placeholder  # noqa: E402

ROUNDS, REQUESTS, CONNECTIONS = 30, 500, 16
LUA = "envoy.filters.http.lua"
NAMES = ("envoy", "admin", "litellm", "path", "server", "other")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
        program = built(folder)
        (folder / "body").write_text(gateway.body(40))
        server = subprocess.Popen([program, "serve", str(ports["server"])])
        running = [Running(folder, *pair) for pair in variants(folder, ports).items()]
        try:
            found = measured(program, folder / "body", running)
        finally:
            for process in (server, *(item.process for item in running)):
                process.kill()
                process.wait()
    text = report(found)
    (HERE / "results" / "gateway_parts.md").write_text(text)
    print(text)


def built(folder):
    """The load generator, compiled."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    environment = os.environ | {"GO111MODULE": "off", "CGO_ENABLED": "0"}
    words = [go, "build", "-o", folder / "load", HERE / "gateway_load.go"]
    subprocess.run(words, env=environment, check=True)
    return folder / "load"


def variants(folder, ports):
    """Path-only, the whole chain, and the chain with more and more taken out."""
    live.write_models(folder / "models")
    key = '{ name = "bench", secret = { env = "BENCH_KEY" } }'
    values = {**ports, "aliases": '["gpt-4o"]', "replicas": "[]", "keys": f"api_keys = [{key}]"}
    (folder / "state").mkdir()
    _, tree = live.tree_of(live.configured(gateway.TEXT.format_map(values), folder), folder)
    (static,) = (item for item in tree if item.path.as_posix() == "envoy/static.yaml")
    whole = yaml.safe_load(
        static.content.decode().replace(placeholder("client.bench"), gateway.KEY)
    )
    found = {
        "Envoy, path only": yaml.safe_load(gateway.PATH_ONLY.format_map(ports)),
        "the whole chain": whole,
    }
    for title, cut in CUTS.items():
        whole = copy.deepcopy(whole)
        cut(manager(whole))
        found[title] = whole
    return found


def manager(document):
    """What treats HTTP on the one listener."""
    (listener,) = document["static_resources"]["listeners"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def no_answers(http):
    (lua,) = (item for item in http["http_filters"] if item["name"] == LUA)
    code = lua["typed_config"]["source_codes"]["json"]
    code["inline_string"] += "\nenvoy_on_response = nil\n"


def no_bodies(http):
    http["http_filters"] = [item for item in http["http_filters"] if item["name"] != LUA]
    for route in http["route_config"]["virtual_hosts"][0]["routes"]:
        route.get("typed_per_filter_config", {}).pop(LUA, None)
        if route.get("name") == "text/small":
            route["match"].pop("dynamic_metadata", None)
    host = http["route_config"]["virtual_hosts"][0]
    host["routes"] = [item for item in host["routes"] if "dynamic_metadata" not in item["match"]]


def no_counters(http):
    http["access_log"] = http["access_log"][:1]


def no_log(http):
    http["access_log"] = []


def no_filters(http):
    http["http_filters"] = http["http_filters"][-1:]
    host = http["route_config"]["virtual_hosts"][0]
    host.pop("typed_per_filter_config")
    for route in host["routes"]:
        route.pop("typed_per_filter_config", None)


CUTS = {
    "without token counts of answers": no_answers,
    "… and routed by path": no_bodies,
    "… without counters for Prometheus": no_counters,
    "… without the log": no_log,
    "… without keys, limits, origins and health": no_filters,
}


class Running:
    """One Envoy with a configuration of its own."""

    def __init__(self, folder, title, document):
        self.title, (self.port, admin) = title, free_ports(2)
        document = copy.deepcopy(document)
        if "admin" in document:
            document["admin"]["address"]["socket_address"]["port_value"] = admin
        (listener,) = document["static_resources"]["listeners"]
        listener["address"]["socket_address"]["port_value"] = self.port
        file = folder / f"{self.port}.json"
        file.write_text(json.dumps(document))
        words = ["-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
        self.process = subprocess.Popen([readers.find("envoy"), *words])
        live.until(self.listens, 60)

    def listens(self):
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def seconds(self):
        """Processor time of all of its threads until now."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def measured(program, body, running):
    """Microseconds of processor time for each request, by title, round by round."""
    found = {item.title: [] for item in running}
    for turn in range(ROUNDS + 1):
        for item in running if turn % 2 else running[::-1]:
            before = item.seconds()
            url = f"http://127.0.0.1:{item.port}/v1/chat/completions"
            words = [
                program,
                "load",
                url,
                gateway.KEY,
                body,
                str(REQUESTS),
                str(CONNECTIONS),
                "plain",
            ]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            assert not json.loads(done.stdout)["wrong"], (item.title, done.stdout)
            # The first round warms up.
            if turn:
                found[item.title].append(1e6 * (item.seconds() - before) / REQUESTS)
    return found


HEAD = f"""# What a small request costs in Envoy

Written by `tests/bench/gateway_parts.py`: processor time of Envoy's process for each request of
{CONNECTIONS} connections with a body of a hundred bytes and an answer that tells its tokens; medians of
{ROUNDS} rounds, every Envoy asked in turn. Each line takes something more out of the chain.
"""


def report(found):
    base = found["Envoy, path only"]
    lines = [HEAD, "| | µs a request | against path only |", "| --- | --- | --- |"]
    for title, rows in found.items():
        ratio = statistics.median(one / two for one, two in zip(rows, base, strict=True))
        lines.append(f"| {title} | {statistics.median(rows):.0f} | {ratio:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
