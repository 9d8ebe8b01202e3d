"""[rpc]: nobody but the machine that borrows may reach a device that is lent."""

import pytest
from making import config

from llmgen.machine import machine
from llmgen.resolve.rpc import findings


def found(text):
    made = config(text)
    host = machine(made.hardware, made.budget, made.rpc)
    return [(item.code, ".".join(map(str, item.key))) for item in findings(made, host)]


def lent(listen, link="tunnel"):
    return found(
        f'[rpc.lend.coder]\nlisten = "{listen}"\nport = 50052\nlink = "{link}"\n'
        'memory = { gpu0 = "1GiB" }\n'
    )


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("link", ["tunnel", "private"])
def test_loopback_is_always_right(listen, link):
    assert lent(listen, link) == []


@pytest.mark.parametrize("listen", ["10.0.0.2", "192.168.1.2", "172.31.255.1", "100.64.0.7"])
def test_a_private_address_has_to_be_called_a_private_link(listen):
    assert lent(listen, "private") == []
    assert lent(listen) == [("rpc.open-network", "rpc.lend.coder.listen")]


@pytest.mark.parametrize("listen", ["0.0.0.0", "8.8.8.8", "172.32.0.1", "100.128.0.1"])
@pytest.mark.parametrize("link", ["tunnel", "private"])
def test_an_open_address_is_never_right(listen, link):
    assert lent(listen, link) == [("rpc.open-network", "rpc.lend.coder.listen")]


@pytest.mark.parametrize("listen", ["::1", "fd00::2", "localhost", "spark", "010.0.0.1"])
def test_the_program_takes_an_ipv4_address_alone(listen):
    assert lent(listen, "private") == [("rpc.address", "rpc.lend.coder.listen")]


def test_the_reason_is_said():
    made = config(
        '[rpc.lend.coder]\nlisten = "0.0.0.0"\nport = 1\nlink = "private"\nmemory = { gpu0 = 1 }\n'
    )
    (fault,) = findings(made, machine(made.hardware, made.budget))
    assert "neither password nor encryption" in fault.message
    assert '`link = "tunnel"`' in fault.hint


def test_lent_devices_are_there():
    text = '[rpc.lend.coder]\nport = 50052\nmemory = { gpu3 = "1GiB" }\n'
    assert found(text) == [("rpc.no-device", "rpc.lend.coder.memory.gpu3")]
    text = '[rpc.lend.coder]\nport = 50052\nmemory = { host = "1GiB" }\n'
    assert found(text) == [("rpc.nothing-lent", "rpc.lend.coder.memory")]


def test_no_more_is_lent_than_there_is():
    text = '[rpc.lend.a]\nport = 1\nmemory = { gpu0 = "20GiB" }\n'
    assert found(text) == []
    text += '[rpc.lend.b]\nport = 2\nmemory = { gpu0 = "4GiB" }\n'
    assert found(text) == [("rpc.lent-too-much", "rpc.lend.b.memory")]


BORROW = """
[rpc.borrow.spark]
address = "{address}"
link = "{link}"
devices = {{ gpu0 = "16GiB" }}
build = {build}
ports = {{ {ports} }}
[models.a]
model = "m.gguf"
device = ["rpc:spark/gpu0"]
{more}
"""


def borrowed(address="spark", link="tunnel", build=11434, ports="a = 50052", more=""):
    text = BORROW.format(address=address, link=link, build=build, ports=ports, more=more)
    return found(f"[llama_cpp]\nbuild = 11434\n{text}")


def test_a_tunnel_leads_to_any_name():
    assert borrowed() == []
    assert borrowed("8.8.8.8") == []


def test_the_other_machine_is_on_a_private_network():
    assert borrowed("10.0.0.2", "private") == []
    assert borrowed("8.8.8.8", "private") == [("rpc.open-network", "rpc.borrow.spark.address")]


def test_both_ends_are_one_build():
    assert borrowed(build=11433) == [("rpc.other-build", "rpc.borrow.spark.build")]


def test_each_model_has_a_server_of_its_own():
    assert borrowed(ports="") == [("rpc.no-server", "models.a.device")]
    shared = ("rpc.shared-server", "rpc.borrow.spark.ports.b")
    assert borrowed(ports="a = 50052, b = 50052") == [shared]


def test_only_llama_server_speaks_rpc():
    engine = 'engine = "vllm"\n'
    assert ("rpc.engine", "models.a.device") in borrowed(more=engine)


def test_rpc_is_between_programs_of_the_machines():
    text = '[services]\nruntime = "compose"\n'
    assert ("rpc.contained", "services.runtime") in borrowed(more=text)
