"""`llmgen wake`: which host, and what is said."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmgen.cli.boundary import root
from llmgen.operate.engines import magic_packet

STACK = """
edition = 2
hardware = { profile = "cpu", memory = "16GiB" }
[hosts.studio]
address = "192.168.1.10"
key = { env = "STUDIO_KEY" }
[hosts.box]
address = "192.168.1.11"
key = { env = "BOX_KEY" }
wake = { mac = "aa:bb:cc:dd:ee:ff", broadcast = "192.168.1.255" }
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine that sleeps until its packet; what it was sent, and where it was asked."""
    monkeypatch.chdir(tmp_path)
    Path("llm.toml").write_text(STACK, "utf-8")
    sent, asked = [], []
    monkeypatch.setattr(magic_packet, "send", lambda *words: sent.append(words))
    monkeypatch.setattr(magic_packet, "is_awake", lambda url: asked.append(url) or bool(sent))
    return sent, asked


def run(*words):
    return CliRunner().invoke(root, ["wake", *words], prog_name="llmgen")


def test_a_host_is_woken_and_waited_for(machine):
    done = run("box")
    assert (done.exit_code, done.stderr) == (0, "awake: box\n")
    assert machine[0] == [("aa:bb:cc:dd:ee:ff", "192.168.1.255")]
    assert set(machine[1]) == {"http://192.168.1.11:8080/health"}


def test_the_packet_alone_waits_for_nobody(machine):
    done = run("box", "--no-wait", "--json")
    assert json.loads(done.stdout)["data"] == {"hosts": ["box"], "awake": False}
    assert (len(machine[0]), machine[1]) == (1, [])


def test_a_card_may_be_named_without_an_llm_toml(machine):
    Path("llm.toml").unlink()
    done = run("--mac", "02:00:00:00:00:01", "--url", "http://10.0.0.2/health")
    assert done.exit_code == 0, done.output
    assert machine[0] == [("02:00:00:00:00:01", "255.255.255.255")]


def test_no_answer_names_the_host_and_what_to_look_at(machine, monkeypatch):
    monkeypatch.setattr(magic_packet, "wake", lambda *_: False)
    done = run("box", "--seconds", "1")
    assert done.exit_code == 4
    assert "`box` does not answer at http://192.168.1.11:8080/health" in done.stderr
    assert "wake-on-LAN" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a host: box"),
        (["bxo"], "did you mean `box`?"),
        (["studio"], "`studio` is nothing that is woken"),
        (["--mac", "x", "--no-wait"], "--mac is no address of a card"),
        (["--mac", "02:00:00:00:00:01"], "needs a --url that answers"),
        (["--mac", "02:00:00:00:00:01", "--url", "file:///etc/passwd"], "is no URL"),
        (["--mac", "02:00:00:00:00:01", "--broadcast", "-x", "--no-wait"], "--broadcast is no"),
        (["box", "--url", "http://x"], "are for --mac"),
        (["box", "--mac", "02:00:00:00:00:01"], "name a host, or say --mac"),
    ],
)
def test_wrong_usage_is_one_message(words, said, machine):
    done = run(*words)
    assert done.exit_code == 2, done.output
    assert said in done.stderr


def test_a_file_in_which_nobody_sleeps_says_how_it_is_written(machine):
    Path("llm.toml").write_text(STACK.replace("wake = {", "# wake = {"), "utf-8")
    done = run("box")
    assert done.exit_code == 4
    assert "wake = { mac" in done.stderr
