"""What llmgen insists on, whatever ~/.ssh/config says: as ssh itself understands the words."""

import subprocess

import pytest
import readers

from llmgen.remote.destination import destination
from llmgen.remote.openssh import LINE, ssh

CARELESS = """\
Host *
  User somebody
  Port 2022
  StrictHostKeyChecking no
  BatchMode no
  ForwardAgent yes
  ForwardX11 yes
  LocalForward 8080 localhost:80
  RemoteForward 9090 localhost:90
  DynamicForward 1080
  PermitLocalCommand yes
  LocalCommand touch /tmp/mine
  RemoteCommand tmux
  RequestTTY force
  ControlMaster auto
  ControlPersist yes
  Tunnel yes
  LogLevel QUIET
"""


@pytest.mark.reader("ssh")
def test_careless_settings_do_not_count(tmp_path):
    (tmp_path / "config").write_text(CARELESS)
    program, *words, line = ssh(destination("ai@studio"), connect_seconds=7)
    assert (program, line) == ("ssh", LINE)
    done = subprocess.run(
        [readers.find("ssh"), "-F", tmp_path / "config", "-G", *words],
        capture_output=True,
        check=True,
        text=True,
    )
    found = dict(item.split(" ", 1) for item in done.stdout.splitlines() if " " in item)
    assert done.stderr == ""
    insisted = {
        "user": "ai",
        "port": "2022",
        "batchmode": "yes",
        "stricthostkeychecking": "true",
        "forwardagent": "no",
        "forwardx11": "no",
        "clearallforwardings": "yes",
        "permitlocalcommand": "no",
        "requesttty": "false",
        "controlmaster": "false",
        "tunnel": "false",
        "gssapidelegatecredentials": "no",
        "connecttimeout": "7",
        "serveraliveinterval": "10",
        "loglevel": "ERROR",
    }
    assert {name: found.get(name) for name in insisted} == insisted
    assert not {"localforward", "remoteforward", "dynamicforward", "remotecommand"} & {*found}


def test_line_has_nothing_that_shells_read_differently():
    assert not set(LINE) & set("!\\\n\t")
    assert LINE.count("'") == 2


def test_port_of_llm_toml_goes_before_that_of_the_settings():
    words = ssh(destination("studio", 2222), connect_seconds=10)
    assert words[words.index("-p") + 1] == "2222"
