"""Rich rules are taken, kept and taken out again by firewalld's own program, without its daemon."""

import shutil
import subprocess

import pytest

from llmgen.firewall.firewalld import PROGRAM, firewalld, firewalld_undo
from llmgen.firewall.ports import Opening, Ports

PORTS = Ports(
    (
        Opening("envoy", "", 4001),
        Opening("litellm", "10.0.0.1", 4000),
        Opening("llama_swap", "fd00::1", 8080),
    ),
    (9901,),
)
OFFLINE = "firewall-offline-cmd"


@pytest.fixture
def offline(tmp_path):
    """The program on a configuration of its own; what `--reload` asks the daemon is left out."""
    program = shutil.which(OFFLINE, path="/usr/bin:/usr/sbin:/bin")
    folder = tmp_path / "etc"
    shutil.copytree("/etc/firewalld", folder)

    def ask(*words):
        found = [word for word in words if word not in ("--permanent", "--reload")]
        done = subprocess.run(
            [program, "--system-config", folder, *found],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout.strip() + done.stderr.strip()

    return ask


@pytest.mark.thorough
@pytest.mark.reader(OFFLINE)
def test_rules_are_taken_by_firewalld_and_taken_out_again(offline):
    for words in firewalld(PORTS)[:-1]:
        code, said = offline(*words[1:])
        assert code == 0, said
    listed = offline("--list-rich-rules")[1].splitlines()
    assert sorted(listed) == [
        'rule family="ipv4" destination address="10.0.0.1" port port="4000" protocol="tcp" accept',
        'rule family="ipv6" destination address="fd00::1" port port="8080" protocol="tcp" accept',
        'rule port port="4001" protocol="tcp" accept',
    ]
    assert offline("--check-config")[0] == 0
    for words in firewalld_undo(PORTS)[:-1]:
        assert offline(*words[1:])[0] == 0
    assert offline("--list-rich-rules")[1] == ""


def test_one_reload_follows_what_changes_and_nothing_is_told_where_nothing_is_open():
    assert [words for words in firewalld(PORTS) if words == (PROGRAM, "--reload")]
    assert firewalld(PORTS)[-1] == (PROGRAM, "--reload")
    assert firewalld(Ports((), (9901,))) == ()
