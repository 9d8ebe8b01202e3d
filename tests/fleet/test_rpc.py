"""A host lends devices to models of another: who is planned with what, and who is refused."""

import pytest
from fleet_stacks import made

from llmgen.errors import ConfigError, PlanError
from llmgen.targets.services import services
from llmgen.units import GIB

HOSTS = """
edition = 2
[hosts.box]
address = "10.0.0.1"
key = {{ env = "BOX_KEY" }}
paths.home = "/home/llm"
hardware = {{ os = "linux", backend = "cuda", memory = "32GiB", reserve = "2GiB", devices = [{{ memory = "24GiB" }}] }}
{box}
[hosts.spark]
address = "10.0.0.2"
key = {{ env = "SPARK_KEY" }}
paths.home = "/srv/llm"
hardware = {{ os = "linux", backend = "cuda", memory = "120GiB", reserve = "4GiB", unified = true, devices = [{{ memory = "110GiB" }}] }}
[hosts.spark.rpc]
devices = ["gpu0"]
{rpc}
[models.big]
model = "big.gguf"
host = "box"
device = ["gpu0", "rpc:spark/gpu0"]
{big}
[models.own]
model = "own.gguf"
host = "spark"
{more}
"""


def fleet(box="", rpc="", big="", more=""):
    return made(HOSTS.format(box=box, rpc=rpc, big=big, more=more))


def code(**changes):
    with pytest.raises((ConfigError, PlanError)) as found:
        fleet(**changes)
    return found.value.diagnostics[0]


def test_borrower_is_told_what_its_lender_has_left():
    borrow = fleet().members["box"].config.rpc.borrow["spark"]
    assert borrow.devices == {"gpu0": 110 * GIB - GIB // 2}
    assert (borrow.address, borrow.link, borrow.build) == ("10.0.0.2", "tunnel", 11434)
    assert borrow.ports == {"big": 50052}


def test_lender_holds_what_the_model_takes_there_for_good():
    members = fleet().members
    there = members["box"].plan.placement("big").footprint["rpc:spark/gpu0"]
    lent = members["spark"].config.rpc.lend["box.big"]
    assert lent.memory["gpu0"] == there
    pools = {item.name: item for item in members["spark"].plan.pools}
    beside = lent.memory["host"]
    assert pools["unified"].budget_bytes == (120 - 4) * GIB - there - beside
    assert pools["gpu0"].budget_bytes == 110 * GIB - GIB // 2 - there


def test_both_ends_are_services_on_one_port():
    members = fleet(rpc="port = 50100\ncache = true").members
    box = {item.name: item for item in services(members["box"].plan)}
    spark = {item.name: item for item in services(members["spark"].plan)}
    assert "127.0.0.1:50100:127.0.0.1:50100" in box["tunnel-spark"].argv
    assert box["tunnel-spark"].argv[-1] == "10.0.0.2"
    server = spark["rpc-box.big"].argv
    assert server[-4:] == ("50100", "--device", "CUDA0", "--cache")
    placed = members["box"].plan.placement("big")
    assert placed.argv[placed.argv.index("--rpc") + 1] == "127.0.0.1:50100"


def test_on_a_private_link_the_server_listens_on_the_hosts_address():
    members = fleet(rpc='link = "private"').members
    lent = members["spark"].config.rpc.lend["box.big"]
    assert (lent.listen, lent.peer) == ("10.0.0.2", "10.0.0.1")
    placed = members["box"].plan.placement("big")
    assert placed.argv[placed.argv.index("--rpc") + 1] == "10.0.0.2:50052"
    assert "tunnel-spark" not in {item.name for item in services(members["box"].plan)}


def test_each_model_has_a_server_of_its_own():
    more = '[models.more]\nmodel = "more.gguf"\nhost = "box"\ndevice = ["rpc:spark/gpu0"]'
    members = fleet(more=more).members
    assert members["box"].config.rpc.borrow["spark"].ports == {"big": 50052, "more": 50053}
    lent = members["spark"].config.rpc.lend
    assert {name: item.port for name, item in lent.items()} == {"box.big": 50052, "box.more": 50053}


def test_long_names_stay_apart():
    long = "a" * 90
    more = "".join(
        f'[models.{long}{end}]\nmodel = "m.gguf"\nhost = "box"\ndevice = ["rpc:spark/gpu0"]\n'
        for end in "bc"
    )
    lent = fleet(more=more).members["spark"].config.rpc.lend
    assert len(lent) == 3
    assert max(map(len, lent)) == 64


def test_names_with_a_prefix_are_found():
    more = '[naming]\nprefix = "lab/"'
    members = fleet(more=more).members
    assert members["spark"].config.rpc.lend["box.big"].port == 50052
    words = members["box"].plan.placement("lab/big").argv
    assert words[words.index("--rpc") + 1] == "127.0.0.1:50052"


def test_what_is_placed_beside_a_borrower_moves_shares_and_what_is_held():
    beside = '[models.beside]\nmodel = "m.gguf"\nkeep = "always"\ndevice = ["gpu0"]\n'
    found = []
    little = '[hosts.spark.budget]\nreserve = { gpu0 = "103GiB" }\n'
    for more in ("", f"{beside}ctx_size = 32768\nparallel = 1\n"):
        text = HOSTS.format(
            box="", rpc="", big="", more=f"ctx_size = 4096\nparallel = 1\n{more}{little}"
        )
        members = made(text, layers=60, embedding=1024, heads=8, heads_kv=8).members
        placed = members["box"].plan.placement("big")
        found.append(placed.settings.tensor_split)
        lent = members["spark"].config.rpc.lend["box.big"]
        assert lent.memory["gpu0"] == placed.footprint["rpc:spark/gpu0"]
    assert found[0] != found[1]


def test_lenders_own_model_has_to_fit_beside():
    big = "ctx_size = 32768\nparallel = 1\ntensor_split = [0, 1]"
    fleet(big=big)
    one = 'hardware = { os = "linux", backend = "cuda", memory = "120GiB"'
    small = HOSTS.replace(one.replace("{", "{{"), one.replace("{", "{{").replace("120GiB", "5GiB"))
    with pytest.raises(PlanError, match="`spark`"):
        made(small.format(box="", rpc="", big=big, more=""))


def test_an_open_network_is_refused_with_the_reason():
    text = HOSTS.format(box="", rpc='link = "private"', big="", more="")
    with pytest.raises(ConfigError) as found:
        made(text.replace("10.0.0.2", "8.8.8.8"))
    fault = found.value.diagnostics[0]
    assert (fault.code, fault.key) == ("rpc.open-network", ("hosts", "spark", "address"))
    assert "neither password nor encryption" in fault.message


def test_builds_of_both_ends_are_one():
    fault = code(box="llama_cpp.build = 11433")
    assert (fault.code, fault.key) == ("rpc.other-build", ("hosts", "spark", "rpc"))
    assert "`box`" in fault.message


def test_devices_have_to_be_lent_and_to_be_there():
    far = 'device = ["rpc:spark/gpu1"]'
    text = HOSTS.format(box="", rpc="", big="", more="").replace(
        'device = ["gpu0", "rpc:spark/gpu0"]', far
    )
    with pytest.raises(ConfigError) as found:
        made(text)
    assert found.value.diagnostics[0].code == "rpc.not-lent"
    with pytest.raises(ConfigError) as found:
        made(text.replace('devices = ["gpu0"]\n', 'devices = ["gpu0", "gpu1"]\n'))
    assert found.value.diagnostics[0].code == "rpc.no-device"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('host = "box"', "", "rpc.host-open"),
        ('host = "box"', 'host = ["box", "spark"]', "rpc.own-device"),
        ("rpc:spark/gpu0", "rpc:mars/gpu0", "rpc.no-host"),
        ('[hosts.spark.rpc]\ndevices = ["gpu0"]', "", "rpc.not-lent"),
        ("edition = 2\n", "edition = 2\n[rpc.lend.x]\nport = 1\n", "rpc.of-all-hosts"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_at_its_key(old, new, expected):
    with pytest.raises(ConfigError) as found:
        made(HOSTS.format(box="", rpc="", big="", more="").replace(old, new, 1))
    assert expected in [item.code for item in found.value.diagnostics]


def test_hosts_that_lend_to_each_other_are_refused():
    fault = code(
        box='[hosts.box.rpc]\ndevices = ["gpu0"]',
        more='[models.back]\nmodel = "back.gguf"\nhost = "spark"\ndevice = ["rpc:box/gpu0"]',
    )
    assert fault.code == "rpc.circle"
