"""Debian's Prometheus asks the real stack by the generated files, and tells when a server dies."""

import json
import signal
import subprocess
import sys
import urllib.parse

import pytest
import readers
import stack as live
from readers.ports import free_ports
from readers.running import running

from llmgen.facts.local import read_model
from llmgen.facts.lock import Entry, Lock, write_lock

TEXT = """
[services]
on_demand = "{engine}"
start_port = {model}
[services.{engine}]
port = {port}
{start}
api_keys = [{{ file = "{folder}/swap.key" }}]
[gateway.envoy]
enable = true
port = {envoy}
admin_port = {admin}
[targets.prometheus]
enable = true
interval = 1
node_exporter = "127.0.0.1:{node}"
keys = "{folder}/prometheus-keys"
[models.small]
model = "chat.gguf"
keep = "always"
ctx_size = 512
metrics = true
[models.coder]
model = "coder.gguf"
ctx_size = 512
"""
FIRST = "llama_swap" if readers.find("llama-swap") else "router"


class Watched:
    """The stack, Prometheus and node_exporter, all on loopback."""

    def __init__(self, folder):
        first = free_ports(30)[0]
        names = ("port", "envoy", "admin", "node", "own")
        self.ports = {name: first + at for at, name in enumerate(names)}
        start = f"start_port = {first + 20}" if FIRST == "llama_swap" else ""
        values = {"engine": FIRST, "model": first + 10, "start": start, "folder": folder}
        text = TEXT.format(**values, **self.ports)
        live.write_models(folder / "models")
        (folder / "swap.key").write_text("sk-planted-swap-0123456789\n")
        self.folder, self.text = folder, text
        self.stack = live.Stack(text, folder)
        self.url = f"http://127.0.0.1:{self.ports['own']}"
        self.files = folder / "generated" / "prometheus"
        self._write_files()

    def _write_files(self):
        head = live.HEAD.format(folder=self.folder, llmgen=live.LLMGEN, **live.programs())
        (self.folder / "llm.toml").write_text(head + self.text)
        entries = {
            f"file:{name}.gguf": Entry(
                read_model(self.folder / "models" / f"{name}.gguf", f"{name}.gguf")
            )
            for name in ("chat", "coder")
        }
        write_lock(self.folder / "llm.lock", Lock(entries))
        self.llmgen("generate", "--target", "prometheus")
        self.llmgen("keys", self.files / "secrets" / "keys.json")

    def llmgen(self, *words):
        done = subprocess.run(
            [sys.executable, "-m", "llmgen", "-c", self.folder / "llm.toml", *map(str, words)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def hasten(self):
        """An alert waits a minute as generated; a test need not."""
        rules = self.files / "llmgen.rules.yml"
        rules.write_text(rules.read_text().replace('for: "60s"', 'for: "2s"'))

    def ask(self, expr):
        """Values of an expression by their labels."""
        query = urllib.parse.urlencode({"query": expr})
        status, body, _ = live.get(f"{self.url}/api/v1/query?{query}")
        assert status == 200, body
        rows = json.loads(body)["data"]["result"]
        return [(row["metric"], float(row["value"][1])) for row in rows]

    def firing(self):
        _, body, _ = live.get(f"{self.url}/api/v1/alerts")
        found = json.loads(body)["data"]["alerts"]
        return {item["labels"]["alertname"] for item in found if item["state"] == "firing"}


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    made = Watched(folder)
    made.hasten()
    textfiles = folder / "textfiles"
    textfiles.mkdir()
    exporter = [
        readers.find("prometheus-node-exporter"),
        f"--web.listen-address=127.0.0.1:{made.ports['node']}",
        "--collector.disable-defaults",
        "--collector.meminfo",
        "--collector.textfile",
        f"--collector.textfile.directory={textfiles}",
    ]
    prometheus = [
        readers.find("prometheus"),
        f"--config.file={made.files / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{made.ports['own']}",
    ]
    asked = f"http://127.0.0.1:{made.ports['node']}/metrics"
    with (
        made.stack,
        running(exporter, ready=asked, log=folder / "node.log"),
        running(prometheus, ready=f"{made.url}/-/ready", log=folder / "prometheus.log"),
    ):
        yield made


@pytest.mark.thorough
@pytest.mark.reader("llama-server", "envoy", "prometheus", "prometheus-node-exporter")
def test_it_is_watched_and_a_server_that_dies_is_told(watched):
    jobs = {"llmgen-server", "llmgen-envoy", "llmgen-node"}
    jobs |= {"llmgen-swap"} if FIRST == "llama_swap" else set()

    def answers():
        found = {row["job"]: value for row, value in watched.ask('up{host="box"}')}
        return {*found} == jobs and {*found.values()} == {1.0}

    live.until(answers, 30, lambda: str(watched.ask("up")))
    _send(watched)
    series = (
        'llamacpp:tokens_predicted_total{host="box",model="small"} > 0',
        'envoy_cluster_membership_healthy{host="box",envoy_cluster_name="model/small"} == 1',
        'envoy_cluster_upstream_rq_pending_overflow{host="box",envoy_cluster_name="model/small"}',
        'envoy_cluster_upstream_rq_pending_active{host="box",envoy_cluster_name="model/small"}',
        'llmgen:pool_used_bytes{host="box",pool="host"} > 0',
        'llmgen_model_loaded{host="box",model="small"} == 1',
        'llmgen_service_up{host="box",service="envoy"} == 1',
    )
    for expr in series:
        live.until(lambda expr=expr: watched.ask(expr), 30, lambda expr=expr: expr)
    assert "LlmgenServerDown" not in watched.firing()
    watched.stack.stop("model-small", signal.SIGKILL)
    live.until(
        lambda: {"LlmgenServerDown", "LlmgenBackendDown"} <= watched.firing(),
        60,
        lambda: str((watched.firing(), watched.ask("up"))),
    )


def _send(watched):
    body = {"model": "small", "max_tokens": 4, "messages": [{"role": "user", "content": "hi"}]}
    status, said, _ = live.post(
        f"http://127.0.0.1:{watched.ports['envoy']}/v1/chat/completions", body
    )
    assert status == 200, said
    watched.llmgen("status", "--prometheus", "-o", watched.folder / "textfiles" / "llmgen.prom")
