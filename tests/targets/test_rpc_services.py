"""RPC between machines as services: servers of the lender, tunnels and waiting of the borrower."""

import plistlib

import pytest
from making import config, facts
from plans import HEAD

from llmgen.plan.place import place
from llmgen.render.environment import make_render
from llmgen.resolve import resolve
from llmgen.targets import launchd, llama_server, llama_swap, systemd
from llmgen.targets.services import services

BORROW = """
[rpc.borrow.spark]
address = "10.0.0.2"
link = "{link}"
devices = {{ gpu0 = "16GiB" }}
ports = {{ a = 50052, b = 50053 }}
{more}
[models.a]
model = "m.gguf"
device = ["gpu0", "rpc:spark/gpu0"]
keep = "{keep}"
[models.b]
model = "m.gguf"
device = ["rpc:spark/gpu0"]
keep = "{keep}"
[models.own]
model = "m.gguf"
keep = "{keep}"
"""
LEND = """
[rpc.lend.coder]
port = 50052
memory = {{ gpu1 = "2GiB", gpu0 = "4GiB", host = "256MiB" }}
{more}
"""


def planned(text, head=HEAD):
    return place(resolve(config(text, head=head), {"file:m.gguf": facts()}))


def borrower(link="tunnel", keep="always", more=""):
    return planned(BORROW.format(link=link, keep=keep, more=more))


def lender(more="", head=None):
    two = HEAD.replace("devices = [{ memory", 'devices = [{ memory = "24GiB" }, { memory')
    return planned(LEND.format(more=more), head or two)


def by_name(plan):
    return {item.name: item for item in services(plan)}


def unit(plan, name):
    found = {
        item.path.name: item.content.decode() for item in systemd.artifacts(plan, make_render())
    }
    return found[f"llmgen-{name}.service"].splitlines()


def test_server_lends_exactly_the_devices_in_their_order():
    (server,) = services(lender())
    assert server.argv == (
        "/usr/local/bin/ggml-rpc-server",
        *("--host", "127.0.0.1", "--port", "50052", "--device", "Vulkan1,Vulkan0"),
    )


def test_server_numbers_devices_as_the_machine_does():
    """CUDA would put the fast ones first, and lend another one."""
    head = HEAD.replace("vulkan", "cuda").replace(
        "devices = [{ memory", 'devices = [{ memory = "24GiB" }, { memory'
    )
    (server,) = services(lender(head=head))
    assert ("CUDA_DEVICE_ORDER", "PCI_BUS_ID") in server.environment


def test_server_is_started_again_after_every_end():
    """It ends with success where its port is taken."""
    lines = unit(lender(), "rpc-coder")
    assert "Restart=always" in lines
    assert "StartLimitIntervalSec=0" in lines


def test_server_on_loopback_talks_to_nobody_else():
    plan = lender('[services]\nscope = "system"')
    assert "IPAddressDeny=any" in unit(plan, "rpc-coder")
    more = 'listen = "10.0.0.2"\nlink = "private"\n[services]\nscope = "system"'
    assert "IPAddressDeny=any" not in unit(lender(more), "rpc-coder")


def test_server_has_its_memory_as_a_limit():
    assert "MemoryMax=1280M" in unit(lender(), "rpc-coder")  # 256 MiB, and 1 GiB of slack


def test_cache_is_below_the_state_folder():
    (server,) = services(lender("cache = true"))
    assert server.argv[-1] == "--cache"
    assert ("LLAMA_CACHE", "/home/llm/.local/state/llmgen/rpc") in server.environment


def test_cache_is_in_the_folder_that_the_servers_own_user_writes():
    more = 'cache = true\n[services]\nscope = "system"\nusers = "each"'
    (server,) = services(lender(more))
    assert ("LLAMA_CACHE", "/var/lib/llmgen/rpc-coder/rpc") in server.environment


def test_one_tunnel_leads_to_all_servers_of_a_machine():
    more = 'ssh = "llm@spark"\nssh_port = 2222\nidentity = "~/.ssh/rpc"'
    tunnel = by_name(borrower(more=more))["tunnel-spark"]
    words = " ".join(tunnel.argv)
    assert words.startswith("/usr/bin/ssh -N -T ")
    assert "-L 127.0.0.1:50052:127.0.0.1:50052 -L 127.0.0.1:50053:127.0.0.1:50053" in words
    assert "-p 2222 -i /home/llm/.ssh/rpc" in words
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "ForwardAgent=no"):
        assert f"-o {option}" in words
    # Whatever its name is, it is no option of ssh.
    assert tunnel.argv[-2:] == ("--", "llm@spark")
    assert "Restart=always" in unit(borrower(), "tunnel-spark")


def test_tunnel_of_the_system_finds_the_keys_of_its_user():
    lines = unit(borrower(more='[services]\nscope = "system"'), "tunnel-spark")
    assert "ProtectHome=read-only" in lines
    assert "User=llm" in lines


def test_no_tunnel_on_a_private_link():
    assert "tunnel-spark" not in by_name(borrower("private"))


def test_model_starts_after_its_tunnel_and_until_the_other_machine_is_there():
    lines = unit(borrower(), "model-a")
    assert "After=llmgen-tunnel-spark.service" in lines
    assert "Wants=llmgen-tunnel-spark.service" in lines
    assert "StartLimitIntervalSec=0" in lines
    assert "LimitCORE=0" in lines
    assert not {"StartLimitIntervalSec=0", "LimitCORE=0"} & {*unit(borrower(), "model-own")}


def test_model_may_leave_loopback_on_a_private_link_alone():
    scope = '[services]\nscope = "system"'
    assert "IPAddressDeny=any" in unit(borrower(more=scope), "model-a")
    assert "IPAddressDeny=any" not in unit(borrower("private", more=scope), "model-a")


@pytest.mark.parametrize("engine", ["llama_swap", "router"])
def test_engine_starts_after_the_tunnels_of_its_models(engine):
    plan = borrower(keep="on_demand", more=f'[services]\non_demand = "{engine}"')
    name = {"llama_swap": "swap", "router": "router"}[engine]
    assert by_name(plan)[name].after == ("tunnel-spark",)


def test_every_form_of_a_server_is_told_its_endpoint():
    plan = borrower("private")
    placed = plan.placement("b")
    told = dict(llama_server.environment(placed, plan.library))
    assert (told["LLAMA_ARG_RPC"], told["LLAMA_ARG_DEVICE"]) == ("10.0.0.2:50053", "RPC0")
    plan = borrower("private", "on_demand", '[services]\non_demand = "router"')
    (ini,) = llama_server.artifacts(plan, make_render())
    assert b"\nrpc = 10.0.0.2:50053\n" in ini.content
    plan = borrower("private", "on_demand")
    (yaml,) = llama_swap.artifacts(plan, make_render())
    assert b"10.0.0.2:50053" in yaml.content


def test_launchd_keeps_servers_alive_after_every_end():
    jobs = {
        item.path.name: plistlib.loads(item.content)
        for item in launchd.artifacts(lender(), make_render())
    }
    assert jobs["llmgen.rpc-coder.plist"]["KeepAlive"] is True
