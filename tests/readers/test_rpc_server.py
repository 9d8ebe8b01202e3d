"""What ggml-rpc-server and its client are, asked of the programs themselves.

Source: llama.cpp b11434, tools/rpc/rpc-server.cpp, ggml/src/ggml-rpc/ggml-rpc.cpp and transport.cpp,
common/arg.cpp (``add_rpc_devices``). There is no GPU here: what is lent is the CPU device, whose
memory is the machine's.
"""

import contextlib
import os
import re
import socket
import subprocess

import psutil
import pytest
from gguf_writer import write_llama

import readers
from readers.ports import free_port
from readers.rpc_servers import VERSION, answering, hello, rpc_server
from readers.running import running

pytestmark = pytest.mark.reader("llama-server", "ggml-rpc-server")
MIB = 2**20
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


@pytest.mark.parametrize("host", ["localhost", "::1", "example.org"])
def test_server_takes_nothing_but_an_ipv4_address(host):
    done = refused("ggml-rpc-server", "-H", host, "-p", str(free_port()), "-t", "1")
    assert "Failed to create server socket" in done.stderr


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


def serving(model, tmp_path, server, *words):
    """llama-server with all of a model on one lent device; a context for the process."""
    port = free_port()
    argv = [readers.find("llama-server"), "-m", model, "--port", port, "--device", "RPC0"]
    argv += ["-ngl", "all", "-c", "256", "-np", "1", "--fit", "off", "--no-warmup", *words]
    return running(
        argv,
        ready=f"http://127.0.0.1:{port}/health",
        log=tmp_path / f"llama-server.{port}.log",
        env={"LLAMA_ARG_RPC": server},
    )


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A model whose largest tensor, 96 MiB, is most of it."""
    shape = {"embedding": 1536, "heads": 8, "vocabulary_size": 32768, "layers": 1, "tied": True}
    return write_llama(tmp_path_factory.mktemp("model") / "wide.gguf", feed_forward=256, **shape)


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
            assert [*kept.values()] == [96 * MIB]
            assert all(re.fullmatch("[0-9a-f]{16}", name) for name in kept)
        assert ("saved to" in log.read_text()) is (run == 0)


@pytest.mark.parametrize("cached", [False, True])
def test_lenders_process_holds_the_largest_tensor_once_more_while_it_loads(wide, tmp_path, cached):
    """A message is received whole before it is written to the device (recv_msg, set_tensor)."""
    port, words = free_port(), ["--cache"] if cached else []
    env = {"LLAMA_CACHE": str(tmp_path / "cache")}
    with rpc_server(port, tmp_path / "rpc.log", *words, env=env) as process:
        alone = memory(process)
        with serving(wide, tmp_path, f"127.0.0.1:{port}") as server:
            loaded = memory(process)
            print("alone", alone, "loaded", loaded, "caller", memory(server))
        print("after", memory(process))
    assert False


def memory(process):
    """Peak and present bytes of a process that are its own."""
    lines = dict(
        line.split(":", 1) for line in open(f"/proc/{process.pid}/status").read().splitlines()
    )
    return {
        name: int(lines[name].split()[0]) // 1024
        for name in ("VmHWM", "VmRSS", "RssAnon", "RssFile")
    }
