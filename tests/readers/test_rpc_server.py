"""What ggml-rpc-server and its client are, asked of the programs themselves.

Source: llama.cpp b11434, tools/rpc/rpc-server.cpp, ggml/src/ggml-rpc/ggml-rpc.cpp and transport.cpp,
common/arg.cpp (``add_rpc_devices``). There is no GPU here: what is lent is the CPU device, whose
memory is the machine's.

The build is pinned, and what it does changes with the pin alone: of what is dear a sample is quick.
"""

import contextlib
import os
import re
import socket
import subprocess

import httpx
import psutil
import pytest
from gguf_writer import write_llama

import readers
from llmgen.budget.beside.lending import lender_host_bytes, sent_bytes
from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings
from llmgen.facts.local import read_model
from readers.ports import free_port
from readers.rpc_servers import VERSION, answering, hello, rpc_server
from readers.running import running

pytestmark = pytest.mark.reader("llama-server", "ggml-rpc-server")
MIB = 2**20
LARGEST = 96 * MIB  # of the wide model, its embedding and output: 1536 x 32768 in F16
_DEVICE = re.compile(r"^  (\w+): (\S+) \((\d+) MiB, (\d+) MiB free\)$", re.MULTILINE)


@pytest.fixture
def lent(tmp_path):
    """Starts servers; each gives its ``host:port``."""
    with contextlib.ExitStack() as ends:

        def start(*words, env=None):
            port = free_port()
            log = tmp_path / f"{port}.log"
            ends.enter_context(rpc_server(port, log, *words, env=env))
            return f"127.0.0.1:{port}"

        yield start


def listed(*words, env=None):
    """llama-server's exit status, and its devices: (name, endpoint, MiB, free MiB)."""
    done = subprocess.run(
        [readers.find("llama-server"), *words],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, _DEVICE.findall(done.stdout)


def refused(program, *words):
    """What a program says that ends by itself."""
    return subprocess.run(
        [readers.find(program), *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_its_options_are_these():
    said = refused("ggml-rpc-server", "--help").stderr
    assert re.findall(r"^  (-\w), (--\w+)", said, re.MULTILINE) == [
        ("-h", "--help"),
        ("-t", "--threads"),
        ("-d", "--device"),
        ("-H", "--host"),
        ("-p", "--port"),
        ("-c", "--cache"),
    ]
    assert "(default: 127.0.0.1)" in said
    assert "(default: 50052)" in said


def test_it_tells_no_version_but_in_its_first_answer(lent):
    # An option that it does not know ends it with success.
    assert refused("ggml-rpc-server", "--version").returncode == 0
    host, port = lent().split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        assert hello(connection) == VERSION


def test_devices_are_numbered_over_all_servers_in_their_order(lent):
    first, second = lent("-d", "CPU,CPU"), lent()
    _, found = listed("--rpc", f"{first},{second}", "--list-devices")
    assert [item[:2] for item in found] == [("RPC0", first), ("RPC1", first), ("RPC2", second)]
    _, found = listed("--rpc", f"{second},{first}", "--list-devices")
    assert [item[:2] for item in found] == [("RPC0", second), ("RPC1", first), ("RPC2", first)]


def test_the_variable_is_read_before_any_option(lent):
    server = lent()
    env = {"LLAMA_ARG_RPC": server}
    assert len(listed("--list-devices", env=env)[1]) == 1
    assert len(listed("--device", "RPC0", "--list-devices", env=env)[1]) == 1
    # Options are done one after the other.
    assert listed("--list-devices", "--rpc", server)[1] == []
    done, _ = listed("--device", "RPC0", "--rpc", server)
    assert done.returncode != 0
    assert "invalid device: RPC0" in done.stderr


def test_memory_is_that_of_the_lent_device(lent):
    (device,) = listed("--rpc", lent(), "--list-devices")[1]
    whole = str(psutil.virtual_memory().total // MIB)
    # Of the CPU everything is free (ggml_backend_cpu_device_get_memory).
    assert device[2:] == (whole, whole)


def test_it_serves_one_client_and_the_next_one_waits(lent):
    host, port = lent().split(":")
    with socket.create_connection((host, int(port)), 10) as first:
        assert hello(first) == VERSION
        with socket.create_connection((host, int(port)), 10) as second:
            second.settimeout(0.5)
            with pytest.raises(TimeoutError):
                hello(second)
            first.close()
            second.settimeout(10)
            assert hello(second) == VERSION


def test_asking_for_devices_leaves_no_client_behind(lent):
    server = lent()
    for _ in range(2):
        assert len(listed("--rpc", server, "--list-devices")[1]) == 1


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ((7, 0, 0), True),
        ((7, 0, 9), True),
        ((7, 1, 0), False),
        ((6, 9, 9), False),
        ((8, 0, 0), False),
    ],
)
def test_client_takes_its_own_major_version_and_no_later_minor_one(version, taken):
    """The patch number, which stands for the list of operations, is not looked at."""
    with answering(version) as port:
        done, _ = listed("--rpc", f"127.0.0.1:{port}", "--list-devices")
    said = f"RPC server version mismatch: {'.'.join(map(str, version))}"
    assert (said not in done.stderr) is taken
    assert (done.returncode == 0) is taken


def test_client_is_aborted_where_no_server_is(lent):
    done, _ = listed("--rpc", f"127.0.0.1:{free_port()}", "--list-devices")
    assert "Failed to connect to 127.0.0.1:" in done.stderr
    assert done.returncode == -6  # SIGABRT: Restart=on-failure tries again


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("localhost", "Invalid host address: localhost"),
        ("example.org", "Invalid host address: example.org"),
        # Of `::1:50052` the port is `:1:50052` (parse_endpoint), and nothing is said at all.
        ("::1", ""),
    ],
)
def test_server_takes_nothing_but_an_ipv4_address(host, said):
    done = refused("ggml-rpc-server", "-H", host, "-p", str(free_port()), "-t", "1")
    assert said in done.stderr
    assert done.returncode == 0


def test_server_without_its_port_ends_with_success():
    """So a unit with Restart=on-failure alone would stay dead."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = refused("ggml-rpc-server", "-p", port, "-t", "1")
    assert "Failed to create server socket" in done.stderr
    assert done.returncode == 0


def test_server_warns_of_every_address_but_one():
    done = refused("ggml-rpc-server", "-H", "127.0.0.2", "-p", "1", "-d", "none-such", "-t", "1")
    assert "Never expose the RPC server to an open network" in done.stderr
    assert "error: unknown device: none-such" in done.stderr
    assert done.returncode == 1


def serving(model, tmp_path, server, *words, devices="RPC0"):
    """llama-server with all of a model on one lent device; a context for the process."""
    port = free_port()
    argv = [readers.find("llama-server"), "-m", model, "--port", port, "--device", devices]
    argv += [
        *(() if "-ngl" in words else ("-ngl", "all")),
        "-c",
        "256",
        "-np",
        "1",
        "--fit",
        "off",
        "--no-warmup",
        *words,
    ]
    return running(
        argv,
        ready=f"http://127.0.0.1:{port}/health",
        log=tmp_path / f"llama-server.{port}.log",
        env={"LLAMA_ARG_RPC": server},
    )


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A model whose largest tensor is most of it."""
    shape = {"embedding": 1536, "heads": 8, "vocabulary_size": 32768, "layers": 1, "tied": True}
    return write_llama(
        tmp_path_factory.mktemp("model") / "wide.gguf", feed_forward=256, data="sparse", **shape
    )


@pytest.mark.thorough
def test_cache_keeps_large_tensors_by_their_hash(wide, tmp_path):
    """Of 10 MiB and more (HASH_THRESHOLD): the second load sends a hash, the file is read here."""
    port, log, folder = free_port(), tmp_path / "rpc.log", tmp_path / "cache"
    env = {"LLAMA_CACHE": str(folder)}
    for run in range(2):
        with (
            rpc_server(port, log, "--cache", env=env),
            serving(wide, tmp_path, f"127.0.0.1:{port}"),
        ):
            kept = {path.name: path.stat().st_size for path in (folder / "rpc").iterdir()}
            assert [*kept.values()] == [LARGEST]
            assert all(re.fullmatch("[0-9a-f]{16}", name) for name in kept)
        assert ("saved to" in log.read_text()) is (run == 0)


@pytest.mark.sample(2)
@pytest.mark.parametrize("words", [(), ("--cache",)])
def test_lenders_process_holds_the_largest_tensor_once_more_while_it_loads(wide, tmp_path, words):
    """A message is received whole before it is written to the device (recv_msg, set_tensor).

    The device is the CPU's, so the process holds its buffers, too.
    """
    port, env = free_port(), {"LLAMA_CACHE": str(tmp_path / "cache")}
    buffers = largest_buffers(wide)
    for _ in range(2):  # the second time out of the cache, where there is one
        with rpc_server(port, tmp_path / "rpc.log", *words, env=env) as process:
            assert peak(process) < 16 * MIB
            with serving(wide, tmp_path, f"127.0.0.1:{port}"):
                most = peak(process)
        # In its buffer and in its message.
        assert most > 2 * LARGEST
        assert most - buffers < lender_host_bytes([read_model(wide)])


@pytest.mark.thorough
@pytest.mark.parametrize(("mode", "copies"), [("mmap", 1), ("none", 2)])
def test_borrowers_process_holds_it_too_while_it_sends_it(wide, tmp_path, mode, copies):
    """It is copied behind the message's head (serialize_set_tensor); unmapped, it was read before."""
    port = free_port()
    with (
        rpc_server(port, tmp_path / "rpc.log"),
        serving(wide, tmp_path, f"127.0.0.1:{port}", "--load-mode", mode) as server,
    ):
        mapped = wide.stat().st_size if mode == "mmap" else 0
        assert 0 < peak(server) - mapped - copies * LARGEST < 64 * MIB
    settings = ServerSettings(load_mode=mode)
    assert sent_bytes([read_model(wide)], settings) == copies * LARGEST


@pytest.mark.thorough
def test_buffers_are_freed_when_the_client_has_gone(wide, tmp_path):
    port = free_port()
    with rpc_server(port, tmp_path / "rpc.log") as process:
        with serving(wide, tmp_path, f"127.0.0.1:{port}"):
            pass
        # The next client is served when the last one's buffers are gone (~rpc_server).
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            assert hello(connection) == VERSION
            assert psutil.Process(process.pid).memory_info().rss < LARGEST // 2


def largest_buffers(model):
    """What of it is on the device before all of its caches are: the weights."""
    settings = ServerSettings(ctx_size=256, parallel=1)
    (device,) = (
        item for item in estimate(read_model(model), settings).memory if item.device == "gpu0"
    )
    return device.model


def peak(process):
    """The most that a process held (VmHWM)."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def test_split_over_two_machines_answers(tmp_path):
    """Host, one server, and another: layers on each, and a chat."""
    model = write_llama(tmp_path / "chat.gguf", layers=6, embedding=128, heads=4)
    with contextlib.ExitStack() as ends:
        ports = [free_port(), free_port()]
        for port in ports:
            ends.enter_context(rpc_server(port, tmp_path / f"{port}.log"))
        servers = ",".join(f"127.0.0.1:{port}" for port in ports)
        words = ("-ts", "2,2", "-ngl", "4", "--verbosity", "5")
        ends.enter_context(serving(model, tmp_path, servers, *words, devices="RPC0,RPC1"))
        (log,) = tmp_path.glob("llama-server.*.log")
        url = f"http://127.0.0.1:{log.name.split('.')[1]}/v1/chat/completions"
        asked = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
        answer = httpx.post(url, json=asked, timeout=60).raise_for_status().json()
        assert answer["usage"]["completion_tokens"] == 4
        placed = re.findall(
            r"layer +\d+ assigned to device (\w+)", log.read_text("utf-8", "replace")
        )
        assert placed == ["CPU", "CPU", "CPU", "RPC0", "RPC0", "RPC1", "RPC1"]
