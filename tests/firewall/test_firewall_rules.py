"""What is exposed is opened, everything else of ours is refused, and nothing more is said."""

import pytest
from targets.plans import plan

from llmgen.errors import InputError
from llmgen.firewall.firewalld import firewalld
from llmgen.firewall.pf import pf
from llmgen.firewall.ports import Opening, ports
from llmgen.firewall.rules import Chain, nft, others, ufw, ufw_undo

TEXT = """
[gateway.envoy]
enable = true
listen = ["127.0.0.1", "192.168.1.5", "fd00::5"]
api_keys = [{ name = "a", secret = { env = "A" } }]
metrics_port = 9902
[gateway.litellm]
enable = true
listen = "0.0.0.0"
master_key = { env = "M" }
[models.a]
model = "small.gguf"
[models.b]
model = "small.gguf"
keep = "always"
"""


def test_only_addresses_beyond_loopback_are_open():
    found = ports(plan(TEXT))
    assert found.open == (
        Opening("envoy", "192.168.1.5", 4001),
        Opening("envoy", "fd00::5", 4001),
        Opening("litellm", "", 4000),
    )
    assert found.closed == (8080, 9001, 9901, 9902, 10001)


def test_a_stack_on_loopback_opens_nothing():
    found = ports(plan('[models.a]\nmodel = "small.gguf"\n'))
    assert found.open == ()
    assert "accept comment" not in nft(found)
    assert ufw(found) == ()


def test_other_chains_get_the_rules_of_their_family():
    script = nft(ports(plan(TEXT)), [Chain("ip", "filter", "INPUT"), Chain("inet", "f", "input")])
    inserted = [line for line in script.splitlines() if line.startswith("insert")]
    assert inserted[0] == (
        "insert rule ip filter INPUT ip daddr 192.168.1.5 tcp dport 4001 accept "
        'comment "llmgen envoy"'
    )
    assert len([line for line in inserted if " ip filter " in line]) == 2
    assert len([line for line in inserted if " inet f " in line]) == 3


def test_ufw_is_told_the_same_and_takes_it_back():
    found = ports(plan(TEXT))
    assert " ".join(ufw(found)[2]) == (
        "ufw allow proto tcp from any to any port 4000 comment llmgen litellm"
    )
    assert [words[2:] for words in ufw_undo(found)] == [words[1:] for words in ufw(found)]


def test_our_own_table_is_not_another_chain():
    chain = {
        "family": "inet",
        "table": "llmgen",
        "name": "input",
        "hook": "input",
        "type": "filter",
    }
    assert others({"nftables": [{"chain": chain}]}) == ()


def test_rules_are_for_addresses():
    with pytest.raises(InputError, match="listens on the name"):
        ports(plan(TEXT.replace('"0.0.0.0"', '"box.lan"')))


PEERS = TEXT.replace(
    "[gateway.envoy]", '[services]\npeers = ["192.168.1.9", "fd00::9"]\n[gateway.envoy]'
)


def test_where_other_hosts_come_in_they_alone_are_let_in():
    found = ports(plan(PEERS))
    assert found.open == (
        Opening("envoy", "192.168.1.5", 4001, "192.168.1.9"),
        Opening("envoy", "fd00::5", 4001, "fd00::9"),
        Opening("litellm", "", 4000),
    )
    assert 4001 in found.closed
    lines = nft(found).splitlines()
    assert (
        '\t\tip saddr 192.168.1.9 ip daddr 192.168.1.5 tcp dport 4001 accept comment "llmgen envoy"'
    ) in lines
    assert " ".join(ufw(found)[0]).startswith(
        "ufw allow proto tcp from 192.168.1.9 to 192.168.1.5 port 4001"
    )
    assert "from fd00::9 to fd00::5 port 4001" in pf(found)
    assert (
        'rule family="ipv4" source address="192.168.1.9" destination address="192.168.1.5"'
        in firewalld(found)[0][-1]
    )


def test_another_host_by_name_is_refused_with_its_place():
    text = PEERS.replace('"192.168.1.9"', '"box.lan"')
    with pytest.raises(InputError) as refused:
        ports(plan(text))
    (found,) = refused.value.diagnostics
    assert (found.code, found.key) == ("firewall.name", ("services", "peers", 0))


def test_rpc_servers_behind_a_tunnel_are_refused_to_others():
    text = '[rpc.lend.far]\nport = 50052\nmemory = { gpu0 = "1GiB" }\n'
    found = ports(plan(text + TEXT))
    assert 50052 in found.closed
    assert 50052 not in {item.port for item in found.open}


def test_an_rpc_server_on_a_private_link_is_for_its_one_client():
    text = (
        '[rpc.lend.far]\nport = 50052\nlisten = "10.0.0.2"\nlink = "private"\n'
        'peer = "10.0.0.9"\nmemory = { gpu0 = "1GiB" }\n'
    )
    found = ports(plan(text + TEXT))
    (opened,) = [item for item in found.open if item.port == 50052]
    assert (opened.address, opened.source) == ("10.0.0.2", "10.0.0.9")
    assert 50052 in found.closed
