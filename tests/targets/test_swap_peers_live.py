"""The real llama-swap leads to models of other servers under each of their names."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import plans
import pytest
import readers
from readers.ports import free_port
from readers.running import running

from llmgen.render.environment import make_render
from llmgen.targets import llama_swap

STACK = """
[models.a]
model = "a.gguf"
[external.far-model]
endpoint = "http://127.0.0.1:PORT"
api_key = { env = "FAR_KEY" }
aliases = ["far", "gateway/far"]
llama_swap = { filters = { setParams = { seed = 7 } } }
[external.other]
endpoint = "http://127.0.0.1:PORT"
upstream_model = "its own name"
[targets.llama_swap.extra]
selectors = { any = { strategy = "pin", targets = ["far"] } }
"""


class Echo(BaseHTTPRequestHandler):
    """A stand-in for a server elsewhere: it says what it was asked."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = json.dumps({**body, "key": self.headers.get("authorization")}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.mark.reader("llama-swap")
def test_every_name_reaches_its_server(tmp_path):
    far = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=far.serve_forever, daemon=True).start()
    text = STACK.replace("PORT", str(far.server_port))
    (found,) = llama_swap.artifacts(plans.plan(text), make_render())
    file = tmp_path / "config.yaml"
    file.write_bytes(found.content)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [readers.find("llama-swap"), "-config", file, "-listen", f"127.0.0.1:{port}"]
    said = {}
    with running(words, ready=f"{url}/health", log=tmp_path / "log", env={"FAR_KEY": "secret"}):
        for name in ("far-model", "far", "gateway/far", "other", "any"):
            answer = httpx.post(f"{url}/v1/chat/completions", json={"model": name}, timeout=10)
            said[name] = answer.json()
    far.shutdown()
    far.server_close()
    assert {name: body["model"] for name, body in said.items()} == {
        "far-model": "far-model",
        "far": "far-model",
        "gateway/far": "far-model",
        "other": "its own name",
        "any": "far-model",
    }
    assert {said[name]["key"] for name in ("far-model", "far", "any")} == {"Bearer secret"}
    assert (said["far"]["seed"], "seed" in said["other"]) == (7, False)
