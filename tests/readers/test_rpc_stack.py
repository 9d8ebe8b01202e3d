"""Two hosts of one llm.toml, started with the words that were written for them: the model answers.

There is no GPU here: the lender lends its CPU device, and what the borrower has itself is its host.
"""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from gguf_writer import write_llama

import readers
from llmgen.doctor.hello import hello
from llmgen.doctor.observations import Ran, Seen
from llmgen.doctor.probe import run
from llmgen.doctor.rules import rpc
from llmgen.facts.local import read_model
from llmgen.facts.lock_model import Entry, Lock
from llmgen.targets import llama_server
from llmgen.targets.services import services
from readers.ports import free_port, free_ports
from readers.rpc_servers import listening
from readers.running import end, running

sys.path += [str(Path(__file__).parent.parent / name) for name in ("fleet", "remote")]
from fleet_stacks import fleet, load, merged, parse
from ssh_server import Server

pytestmark = pytest.mark.reader("llama-server", "ggml-rpc-server")
MIB = 2**20
TEXT = """
edition = 2
paths.home = "/home/llm"
paths.models = "{models}"
paths.llama_server = "{server}"
services.start_port = {start}
[hosts.box]
address = "127.0.0.1"
hardware = {{ os = "linux", backend = "cpu", memory = "16GiB", devices = [] }}
services.llama_swap.port = {swaps[0]}
[hosts.spark]
address = "127.0.0.1"
hardware = {{ os = "linux", backend = "cpu", memory = "16GiB", devices = [{{ name = "CPU", memory = "8GiB" }}] }}
services.llama_swap.port = {swaps[1]}
[hosts.spark.rpc]
devices = ["gpu0"]
port = {rpc}
link = "{link}"
[models.big]
model = "big.gguf"
host = "box"
keep = "always"
device = ["rpc:spark/gpu0"]
n_gpu_layers = 5
ctx_size = 1024
parallel = 1
load_mode = "none"
cache_ram = 0
extra_args = ["--no-warmup", "--verbosity", "5"]
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_llama(folder / "big.gguf", layers=8, embedding=256, heads=4, vocabulary_size=2048)
    return folder


@pytest.fixture
def members(models):
    """Both hosts, planned; over a private link, which loopback is."""

    def make(link="private"):
        text = TEXT.format(
            models=models,
            server=readers.find("llama-server"),
            start=free_port(),
            swaps=free_ports(2),
            rpc=free_port(),
            link=link,
        )
        source = parse("llm.toml", text)
        lock = Lock({"file:big.gguf": Entry(read_model(models / "big.gguf"))})
        return fleet(load([source]), merged([source]), lock).members

    return make


@contextlib.contextmanager
def lending(member, folder):
    """The lender's one RPC server, by its service."""
    (service,) = (item for item in services(member.plan) if item.name.startswith("rpc-"))
    log = folder / "rpc.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            service.argv,
            env={"PATH": os.environ["PATH"], **dict(service.environment)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        listening(service.port, process, log)
        yield
    finally:
        end(process)


@contextlib.contextmanager
def borrowing(member, folder, **changed):
    """The borrower's always-on model, by its .conf; its address and log."""
    (placed,) = member.plan.placements
    url, log = f"http://127.0.0.1:{placed.port}", folder / "llama-server.log"
    environment = dict(llama_server.environment(placed, member.plan.library)) | changed
    words = llama_server.command(placed, member.plan.library)
    with running(words, ready=f"{url}/health", log=log, env=environment):
        yield url, log


def asked(url):
    """How many tokens the model answers with."""
    body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).raise_for_status()
    return answer.json()["usage"]["completion_tokens"]


def found(member):
    """Doctor's verdict of the borrower's RPC server, and what it saw."""
    (endpoint,) = rpc.wanted(member.plan)
    host, port = endpoint.split(":")
    said = hello(host, int(port))
    ran = {rpc.greeting(endpoint): Ran(0, said)}
    if said != "busy":
        words = (str(readers.find("llama-server")), "--rpc", endpoint, "--list-devices")
        ran[rpc.listing(endpoint)] = run(*words)
    (finding,) = rpc.taken(member.plan, Seen(ran=ran))
    return finding.verdict.value, finding.observed


def test_both_hosts_are_started_and_the_model_answers(members, tmp_path):
    both = members()
    assert found(both["box"]) == ("failed", "Connection refused")
    with lending(both["spark"], tmp_path):
        assert found(both["box"]) == ("ok", "protocol 7.0.0, 1 device")
        with borrowing(both["box"], tmp_path) as (url, log):
            assert asked(url) == 4
            assert found(both["box"]) == ("unknown", "not found out: it has a client now")
            text = log.read_text("utf-8", "replace")
    placed = re.findall(r"layer +\d+ assigned to device (\w+)", text)
    assert placed == ["CPU"] * 4 + ["RPC0"] * 5
    assert_as_planned(text, both["box"].plan.placement("big").estimate)


def assert_as_planned(text, estimate):
    """Weights and caches on both machines, to the hundredth of a MiB that the log shows."""
    words = {"model": "model", "KV": "context"}
    lines = re.findall(r"(CPU|RPC0)\S* +(model|KV) buffer size = +([\d.]+) MiB", text)
    told = {(device, words[word]): float(size) for device, word, size in lines}
    for device, key in (("CPU", "host"), ("RPC0", "rpc:spark/gpu0")):
        (ours,) = (item for item in estimate.memory if item.device == key)
        assert told[device, "model"] == pytest.approx(ours.model / MIB, abs=0.011)
        assert told[device, "context"] == pytest.approx(ours.context / MIB, abs=0.011)


@pytest.mark.reader("ssh", "sshd")
def test_a_tunnel_leads_to_it(members, tmp_path):
    """The key may forward to this one port, and do nothing else."""
    both = members("tunnel")
    box, server = both["box"], Server(tmp_path)
    (tunnel,) = (item for item in services(box.plan) if item.name == "tunnel-spark")
    (place_of,) = (word for word in tunnel.argv if word.count(":") == 3)
    port = place_of.rpartition(":")[2]
    server.keygen(tmp_path / "keys" / "127.0.0.1")
    public = (tmp_path / "keys" / "127.0.0.1.pub").read_text()
    limits = f'restrict,port-forwarding,permitopen="127.0.0.1:{port}",command="/bin/false"'
    (tmp_path / "authorized_keys").write_text(f"{limits} {public}")
    # Both ends are this machine, where one port has one listener.
    here = str(free_port())
    words = [word.replace(f":{port}:", f":{here}:", 1) for word in tunnel.argv]
    server.start()
    try:
        with lending(both["spark"], tmp_path):
            log = tmp_path / "tunnel.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [tmp_path / "bin" / "ssh", *words[1:]],
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            try:
                listening(int(here), process, log)
                with borrowing(box, tmp_path, LLAMA_ARG_RPC=f"127.0.0.1:{here}") as (url, _):
                    assert asked(url) == 4
            finally:
                end(process)
    finally:
        server.stop()


def test_a_model_starts_when_its_lender_is_there_at_last(members, tmp_path):
    """Which is all that its unit relies on: started before, it ends by itself with a failure."""
    both = members()
    (placed,) = both["box"].plan.placements
    done = subprocess.run(
        llama_server.command(placed, both["box"].plan.library),
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            **dict(llama_server.environment(placed, both["box"].plan.library)),
        },
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -6
    with lending(both["spark"], tmp_path), borrowing(both["box"], tmp_path) as (url, _):
        assert asked(url) == 4
