"""The guarded forms: TLS, keys of the servers themselves, limits, replicas, names of others."""

import json
import ssl
import subprocess

import httpx
import pytest
import readers
import stack as live
from readers.ports import free_ports

pytestmark = [
    pytest.mark.reader("llama-server"),
    pytest.mark.reader("envoy"),
    pytest.mark.skipif(not readers.shutil.which("openssl"), reason="makes certificates"),
]

HELLO = [{"role": "user", "content": "hello"}]
SERVER, CLIENT, LIMITED = "sk-planted-server-1", "sk-planted-client-1", "sk-planted-limited-1"

TEXT = """
[services]
on_demand = "{engine}"
start_port = {model}
api_key = {{ file = "{folder}/server.key" }}
[services.{engine}]
port = {port}
api_keys = [{{ file = "{folder}/server.key" }}]
{start}
[gateway.envoy]
enable = true
port = {envoy}
admin_port = {admin}
requests_per_minute = 20
max_body = "1MiB"
tls = {{ cert = "{folder}/tls/cert.pem", key = "{folder}/tls/key.pem" }}
api_keys = [
    {{ name = "client", secret = {{ env = "CLIENT_KEY" }} }},
    {{ name = "limited", secret = {{ env = "LIMITED_KEY" }} }},
]
[models.first]
model = "chat.gguf"
keep = "always"
replicas = ["127.0.0.1:{second}"]
[models.second]
model = "chat.gguf"
keep = "always"
port = {second}
[models.coder]
model = "coder.gguf"
aliases = ["gpt-4o"]
[external.far]
endpoint = "http://127.0.0.1:{second}/v1"
upstream_model = "what it insists on"
aliases = ["distant"]
api_key = {{ file = "{folder}/server.key" }}
"""


def certificate(folder, name):
    """A self-signed pair, moved into place; its serial number."""
    folder.mkdir(exist_ok=True)
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", folder / "key.new", "-out", folder / "cert.new", "-days", "2"]
    subprocess.run(["openssl", *words, *names, *files], check=True, capture_output=True)
    for kind in ("key", "cert"):
        (folder / f"{kind}.new").replace(folder / f"{kind}.pem")
    return ssl.PEM_cert_to_DER_cert((folder / "cert.pem").read_text())


@pytest.fixture(scope="module", params=["llama_swap", "router"])
def own(request, tmp_path_factory):
    if request.param == "llama_swap" and readers.find("llama-swap") is None:
        pytest.skip("reader `llama-swap` is missing")
    folder = tmp_path_factory.mktemp("guarded")
    first = free_ports(30)[0]
    values = {"folder": folder, "engine": request.param, "model": first + 10, "second": first + 15}
    values |= {name: first + index for index, name in enumerate(("port", "envoy", "admin"))}
    swap = request.param == "llama_swap"
    values["start"] = f"start_port = {first + 20}" if swap else ""
    live.write_models(folder / "models")
    (folder / "server.key").write_text(SERVER)
    certificate(folder / "tls", "old")
    keys = {"CLIENT_KEY": CLIENT, "LIMITED_KEY": LIMITED}
    with live.Stack(TEXT.format_map(values), folder, keys) as made:
        made.url, made.values = f"https://127.0.0.1:{values['envoy']}", values
        yield made


@pytest.fixture
def client(own):
    trust = ssl.create_default_context(cafile=own.folder / "tls" / "cert.pem")
    headers = {"authorization": f"Bearer {CLIENT}"}
    with httpx.Client(verify=trust, base_url=own.url, headers=headers, timeout=60) as made:
        yield made


def chat(client, model):
    body = {"model": model, "messages": HELLO, "max_tokens": 2}
    return client.post("/v1/chat/completions", json=body)


@pytest.mark.parametrize("model", ["first", "second", "coder", "gpt-4o", "far", "distant"])
def test_the_gateway_has_the_servers_keys_and_the_client_has_not(own, client, model):
    answer = chat(client, model)
    assert answer.status_code == 200, answer.text
    port = own.plan.ports["second"]
    refused = live.post(f"http://127.0.0.1:{port}/v1/chat/completions", {"messages": HELLO})
    assert refused[0] == 401


def test_keys_of_servers_are_redacted_in_every_dump(own):
    dump = live.get(f"http://127.0.0.1:{own.values['admin']}/config_dump?include_eds")[1]
    assert [key for key in (SERVER, CLIENT, LIMITED) if key in dump] == []
    assert SERVER in (own.folder / "run" / "envoy" / "sds-external.far.yaml").read_text()


def test_a_replica_that_dies_is_not_noticed(own, client):
    own.stop("model-first")
    try:
        assert [chat(client, "first").status_code for _ in range(6)] == [200] * 6
    finally:
        own.start("model-first")
        own.wait("model-first")


def test_a_new_certificate_is_taken_up_without_a_restart(own):
    address = ("127.0.0.1", own.values["envoy"])
    new = certificate(own.folder / "tls", "new")

    def shown():
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(address))

    live.until(lambda: shown() == new, 5)


def test_a_body_over_the_told_limit_is_refused(client):
    body = {"model": "first", "content": "x" * 1_100_000}
    assert client.post("/tokenize", json=body).status_code == 413


def test_an_answer_over_the_limit_is_passed_on(client):
    answer = client.post("/tokenize", json={"model": "first", "content": "ab " * 300_000})
    assert answer.status_code == 200
    assert len(answer.content) > 2**20


def test_one_clients_limit_is_not_anothers(own, client):
    mine = {"authorization": f"Bearer {LIMITED}"}
    found = [client.get("/v1/models", headers=mine) for _ in range(25)]
    statuses = [item.status_code for item in found]
    assert statuses == [200] * 20 + [429] * 5
    assert found[-1].json()["error"]["code"] == "rate_limit_exceeded"
    assert found[-1].headers["retry-after"]
    assert json.loads(client.get("/v1/models/first").text)["id"] == "first"
