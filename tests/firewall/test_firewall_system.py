"""Each system has its own firewall: nothing is printed that nobody there can read."""

import re

import pytest
from click.testing import CliRunner

from llmgen.cli.boundary import root

TEXT = """
edition = 1
[hardware]
profile = "{profile}"
[paths]
home = "/Users/me"
"""
EXPOSED = """
[gateway.envoy]
listen = ["{address}"]
api_keys = [{{ name = "me", secret = {{ env = "KEY" }} }}]
tls = {{ cert = "/c.pem", key = "/k.pem" }}
"""
# What a line of an anchor is by pf.conf(5): action, direction, quick, interface, family, protocol.
HOST = r"(?:any|[0-9a-f.:]+)"
RULE = re.compile(
    r"(?:pass|block return) in quick(?: on [a-z0-9]+)?(?: all|(?: inet6?)? proto tcp"
    rf" from {HOST} to {HOST} port (?:\d+|\{{ \d+(?:, \d+)* \}}))"
)


def ask(tmp_path, *words, profile="apple-silicon-64gb", more=""):
    path = tmp_path / "llm.toml"
    path.write_text(TEXT.format(profile=profile) + more)
    return CliRunner().invoke(root, ["-c", str(path), "firewall", *words], prog_name="llmgen")


@pytest.mark.parametrize("tool", ["nft", "ufw", "firewalld"])
def test_macos_gets_no_rules_of_linux(tmp_path, tool):
    result = ask(tmp_path, "--tool", tool)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "error[firewall.other-system]" in result.stderr
    assert "--tool pf" in result.stderr


def test_linux_gets_no_rules_of_macos(tmp_path):
    result = ask(tmp_path, "--tool", "pf", profile="nvidia-24gb")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "--tool nft" in result.stderr


@pytest.mark.parametrize(
    ("address", "opened"),
    [
        ("0.0.0.0", "pass in quick proto tcp from any to any port 4001"),
        ("10.0.0.1", "pass in quick inet proto tcp from any to 10.0.0.1 port 4001"),
        ("fd00::1", "pass in quick inet6 proto tcp from any to fd00::1 port 4001"),
    ],
)
def test_macos_gets_an_anchor_of_pf(tmp_path, address, opened):
    """By the grammar of pf.conf alone: there is no pfctl where the tests run."""
    result = ask(tmp_path, more=EXPOSED.format(address=address))
    assert result.exit_code == 0, result.stderr
    rules = [line for line in result.stdout.splitlines() if not line.startswith("#")]
    assert rules[0] == "pass in quick on lo0 all"
    assert rules[1] == opened
    assert all(RULE.fullmatch(line) for line in rules), rules
    assert rules[-1].startswith("block return in quick")
    assert "9901" in rules[-1]


@pytest.mark.parametrize("way", ["--apply", "--undo", "--status"])
def test_rules_of_pf_are_only_printed(tmp_path, way):
    result = ask(tmp_path, way)
    assert result.exit_code == 2
    assert "only printed" in result.stderr
