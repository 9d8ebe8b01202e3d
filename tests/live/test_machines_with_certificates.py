"""Two real gateways that show each other certificates, and who shows none."""

import contextlib
import json
import subprocess

import machines_apart as apart
import pytest
import stack as live
from test_several_machines import HOST

pytestmark = [
    pytest.mark.reader("llama-server"),
    pytest.mark.reader("envoy"),
    pytest.mark.skipif(not apart.usable(), reason="needs root, namespaces and a bridge"),
    pytest.mark.thorough,
]

ADDRESSES = {"box": "10.77.0.2", "spark": "10.77.0.3"}
KEY = "sk-planted-1234567"
FRONT = """
ca = "{tls}/ca.pem"
client_tls = {{ cert = "{tls}/{name}.pem", key = "{tls}/{name}.key" }}
[hosts.{name}.gateway.envoy]
enable = true
tls = {{ cert = "{tls}/{name}.pem", key = "{tls}/{name}.key", client_ca = "{tls}/ca.pem" }}
"""
MODELS = """
[models.chat]
model = "chat.gguf"
host = ["box", "spark"]
keep = "always"
ctx_size = 2048
[models.embed]
model = "embed.gguf"
role = "embedding"
host = "spark"
keep = "always"
ctx_size = 512
"""


def authority(folder):
    """An authority, a certificate of it for each host, and one of somebody else."""
    folder.mkdir()

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for name in ("ca", "stranger"):
        openssl("req", "-x509", *new, "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-subj", f"/CN={name}")  # fmt: skip
    for name, address in ADDRESSES.items():
        openssl(
            "req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"
        )
        (folder / "names").write_text(f"subjectAltName=IP:{address}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-extfile", "names", "-out", f"{name}.pem")  # fmt: skip


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    live.write_models(folder / "models")
    authority(folder / "tls")
    programs = {**live.programs(), "llmgen": live.LLMGEN, "models": folder / "models"}
    hosts = (
        HOST.format(
            name=name,
            NAME="HOST",
            address=address,
            engine="none",
            folder=folder / name,
            more=FRONT.format(name=name, tls=folder / "tls"),
            **programs,
        )
        for name, address in ADDRESSES.items()
    )
    found = apart.members("edition = 2\n" + "".join(hosts) + MODELS, folder / "models")
    with apart.namespaces(ADDRESSES) as inside, contextlib.ExitStack() as held:
        machines = {}
        for name, member in found.items():
            (folder / name).mkdir()
            (folder / name / "models").symlink_to(folder / "models")
            made = apart.Machine(inside[name], member.config, folder / name, {"HOST_KEY": KEY})
            machines[name] = held.enter_context(made)
        yield inside, machines, folder / "tls"


def ask(net, host, path, body, shown="box"):
    inside, _, tls = net
    more = ["--cacert", tls / "ca.pem"]
    if shown:
        more += ["--cert", tls / f"{shown}.pem", "--key", tls / f"{shown}.key"]
    url = f"https://{ADDRESSES[host]}:4001{path}"
    return apart.ask(inside["switch"], url, body, key=KEY, more=map(str, more))


def knows(net, host, other):
    """Wait until a host's gateway has seen that another one's takes connections."""
    inside, _, _ = net
    door = f"door/{ADDRESSES[other]}:4001::{ADDRESSES[other]}:4001::health_flags::healthy"
    url = "http://127.0.0.1:9901/clusters"
    live.until(lambda: door in apart.ask(inside[host], url)[1], 10)


HELLO = {"model": "chat", "messages": [{"role": "user", "content": "x"}], "max_tokens": 2}


def test_a_model_elsewhere_answers_through_both(net):
    status, text = ask(net, "box", "/v1/embeddings", {"model": "embed", "input": "x"})
    assert status == 200, text


def test_a_spare_server_is_shown_the_certificate_of_its_own(net):
    _, machines, _ = net
    knows(net, "box", "spark")
    machines["box"].stop("model-chat")
    try:
        status, text = ask(net, "box", "/v1/chat/completions", HELLO)
        assert (status, len(json.loads(text)["choices"])) == (200, 1)
    finally:
        machines["box"].start("model-chat")
        machines["box"].wait("model-chat")


@pytest.mark.parametrize("shown", ["", "stranger"])
def test_without_a_certificate_of_the_authority_nobody_is_talked_to(net, shown):
    assert ask(net, "box", "/v1/chat/completions", HELLO, shown=shown)[0] == 0
    assert ask(net, "box", "/v1/chat/completions", HELLO)[0] == 200


def test_a_certificate_is_no_key(net):
    inside, _, tls = net
    more = ["--cacert", tls / "ca.pem", "--cert", tls / "box.pem", "--key", tls / "box.key"]
    url = f"https://{ADDRESSES['box']}:4001/v1/chat/completions"
    assert apart.ask(inside["switch"], url, HELLO, more=map(str, more))[0] == 401
