"""Hosts that llm.toml leaves open are chosen by the real planner of each host, and explained."""

import pytest
from fleet_stacks import HOSTS, made

from llmgen.errors import PlanError

OPEN = """
[models.large]
model = "large.gguf"
ctx_size = 32768
parallel = 64
[models.small]
model = "small.gguf"
ctx_size = 4096
"""


def test_a_model_goes_where_it_fits():
    text = HOSTS.replace('memory = "64GiB"', 'memory = "2300MiB"') + OPEN
    fleet = made(text, layers=32, embedding=2048)
    assert fleet.seats["large"] == ("box",)
    assert "studio" in fleet.reasons["large"]
    assert " left on host" in fleet.reasons["large"]
    assert [item.name for item in fleet.members["box"].plan.placements][:1] == ["large"]


def test_the_first_host_where_all_fit_at_once():
    fleet = made(HOSTS + OPEN)
    assert fleet.seats == {"large": ("studio",), "small": ("studio",)}


def test_two_hosts_where_two_are_wanted():
    fleet = made(HOSTS + OPEN.replace("ctx_size = 4096", "ctx_size = 4096\nhosts = 2"))
    assert fleet.seats["small"] == ("studio", "box")
    assert "small" in fleet.members["box"].config.models


def test_no_host_with_room_names_each_and_why():
    text = HOSTS.replace('memory = "64GiB"', 'memory = "2300MiB"').replace("24GiB", "2GiB") + OPEN
    with pytest.raises(PlanError) as refused:
        made(text, layers=32, embedding=2048)
    found = refused.value.diagnostics
    assert [item.key for item in found] == [("models", "large"), ("models", "small")]
    assert all("studio" in item.message and "box" in item.message for item in found)
    assert "`small` fits on no host: " in found[1].message
    assert " left on gpu0" in found[1].message


def test_a_refusal_of_a_told_host_names_the_one_where_it_fits():
    text = HOSTS.replace('memory = "64GiB"', 'memory = "2300MiB"')
    with pytest.raises(PlanError) as refused:
        made(
            text + OPEN.replace("parallel", 'host = "studio"\nparallel'), layers=32, embedding=2048
        )
    (found,) = refused.value.diagnostics
    assert "does not fit where it is told to be: " in found.message
    assert found.message.endswith(" left on host")
    assert "on `box` it fits as it is" in found.hint


def test_a_prefix_changes_nothing_of_the_choice():
    text = HOSTS.replace('memory = "64GiB"', 'memory = "2300MiB"') + OPEN
    plain = made(text, layers=32, embedding=2048)
    named = made(text + '[naming]\nprefix = "lab/"\n', layers=32, embedding=2048)
    assert named.seats == plain.seats
    assert "lab/large" in {item.name for item in named.members["box"].plan.placements}


def test_a_device_that_a_host_does_not_have_leaves_the_others():
    text = HOSTS + OPEN.replace("parallel = 64", 'device = ["gpu0"]')
    fleet = made(text)
    assert fleet.seats["large"] == ("box",)


def test_two_defaults_of_one_role_go_to_two_hosts():
    text = HOSTS + OPEN.replace("ctx_size", "default = true\nctx_size")
    assert made(text).seats == {"large": ("studio",), "small": ("box",)}


def test_two_models_with_one_port_go_to_two_hosts():
    text = HOSTS + OPEN.replace("ctx_size", 'port = 9001\nkeep = "always"\nctx_size')
    assert made(text).seats == {"large": ("studio",), "small": ("box",)}


def test_a_host_whose_ports_run_out_leaves_the_others():
    text = HOSTS.replace("[hosts.box]", "services.start_port = 65535\n[hosts.box]")
    fleet = made(text + OPEN.replace("ctx_size", 'keep = "always"\nctx_size'))
    assert fleet.seats == {"large": ("studio",), "small": ("box",)}
    assert "does not fit on studio beside {large}" in fleet.reasons["small"]


def test_open_devices_of_a_host_without_any_are_none():
    fleet = made(HOSTS + OPEN.replace("parallel = 64", 'device = "auto"'))
    assert fleet.seats["large"] == ("studio",)
    assert fleet.members["studio"].plan.placement("large").settings.devices == ()


LENT = """
edition = 2
paths.home = "/home/llm"
[defaults]
cache_ram = 0
[hosts.desk]
address = "192.168.1.9"
key = { env = "DESK_KEY" }
hardware = { os = "linux", backend = "cpu", memory = "64GiB", devices = [] }
[hosts.lender]
address = "192.168.1.10"
key = { env = "LENDER_KEY" }
hardware = { os = "linux", backend = "cuda", memory = "64GiB", devices = [{ memory = "8GiB" }] }
rpc.devices = ["gpu0"]
[hosts.other]
address = "192.168.1.11"
key = { env = "OTHER_KEY" }
hardware = { os = "linux", backend = "cuda", memory = "64GiB", devices = [{ memory = "8GiB" }] }
[models.far]
model = "far.gguf"
host = "desk"
ctx_size = 4096
device = ["rpc:lender/gpu0"]
[models.near]
model = "near.gguf"
ctx_size = 4096
device = ["gpu0"]
"""


def test_a_host_that_lends_is_not_like_one_with_the_same_tables():
    assert made(LENT, layers=32, embedding=4096).seats["near"] == ("other",)


def test_no_host_is_advised_that_lacks_the_device():
    text = HOSTS.replace("24GiB", "2GiB") + OPEN.replace(
        "parallel = 64", 'device = ["gpu0"]\nhost = "box"'
    ).replace('model = "small.gguf"', 'model = "small.gguf"\nhost = "studio"')
    with pytest.raises(PlanError) as refused:
        made(text, layers=32, embedding=2048)
    assert "on `studio` it fits" not in refused.value.diagnostics[0].hint


def test_of_two_machines_defaults_the_first_is_that_of_a_third():
    third = HOSTS.split("[hosts.box]")[0].replace("studio", "third").replace(".10", ".12")
    text = HOSTS + third.replace("edition = 2\n", "").replace("STUDIO", "THIRD")
    fleet = made(
        text
        + OPEN.replace("parallel = 64", 'default = true\nhost = "studio"').replace(
            "ctx_size = 4096", 'ctx_size = 4096\ndefault = true\nhost = "box"'
        )
    )
    marked = {n: t.default for n, t in fleet.members["third"].config.external.items()}
    assert marked == {"large": True, "small": False}
