"""A host that cannot be reached, is another one, or talks nonsense: one message with its name."""

import pytest
from booted import until
from lab import ADDRESSES

pytestmark = pytest.mark.reader("envoy")


@pytest.fixture
def spark(lab):
    """A host whose way is about to be spoilt."""
    found = lab.machines["spark"]
    yield found
    lab.switch.put_back("spark")
    found.must("usermod", "--shell", "/bin/sh", "ai")
    found.deaf()
    found.listen()
    lab.trust()
    lab.write(lab.text)


def shell(machine, text):
    """What the user gets instead of a shell."""
    machine.path("/opt/shell").write_text(f"#!/bin/sh\n{text}\n")
    machine.must("chmod", "755", "/opt/shell")
    machine.must("usermod", "--shell", "/opt/shell", machine.login)


def only_spark_fails(lab, code):
    """The message, after all the others have answered."""
    found = lab.document("status")
    hosts = found["data"]["hosts"]
    assert hosts.pop("spark") == {"exit_code": 4, "data": None}
    for name, host in hosts.items():
        assert host["data"], (name, found["diagnostics"], lab.late)
        assert host["data"]["services"], name
    (told,) = [item for item in found["diagnostics"] if item["code"].startswith("remote.")]
    assert (found["exit_code"], told["code"]) == (4, code)
    assert told["message"].startswith("host `spark` ")
    assert told["location"]["line"] == 1 + lab.text.splitlines().index("[hosts.spark]")
    return told


def test_pulled_cable(lab, spark):
    lab.switch.pull("spark")
    told = only_spark_fails(lab, "remote.unreachable")
    assert "ssh ai@10.77.0.2" in told["hint"]


def test_nothing_is_installed_anywhere_and_then_on_those_that_are_named(lab, spark):
    before = {name: machine.files("/etc/systemd/system") for name, machine in lab.machines.items()}
    lab.switch.pull("spark")
    done = lab.llmgen("install")
    assert done.returncode == 4
    assert "host `spark` cannot be reached" in done.stderr
    assert "nothing was changed on any host" in done.stderr
    for name, machine in lab.machines.items():
        assert machine.files("/etc/systemd/system") == before[name]
    lab.must("install", "--host", "studio", "--host", "box")
    assert lab.answers("box", "gpt-alpha")
    lab.switch.put_back("spark")
    lab.must("install")
    assert all(lab.answers(host, "beta") for host in ADDRESSES)


def test_another_host_key(lab, spark):
    spark.new_host_key()
    spark.deaf()
    spark.listen()
    told = only_spark_fails(lab, "remote.host-key")
    assert "`ssh-keygen -R 10.77.0.2`" in told["hint"]


def test_no_sshd(lab, spark):
    spark.deaf()
    told = only_spark_fails(lab, "remote.unreachable")
    assert "Connection refused" in "".join(told["notes"])


def test_shell_that_prints_something_else(lab, spark):
    shell(spark, "printf '\\033]0;owned\\007<html>'")
    told = only_spark_fails(lab, "remote.garbage")
    assert "<html>" in told["message"]
    assert "\x1b" not in told["message"]


def test_shell_that_floods(lab, spark):
    shell(spark, "exec yes")
    only_spark_fails(lab, "remote.garbage")
    assert not spark.processes("^yes")


def test_llmgen_that_floods(lab, spark):
    version = '[ "$1" = --version ] && exec /opt/llmgen --version'
    spark.path("/opt/flood").write_text(f"#!/bin/sh\n{version}\nexec yes\n")
    spark.must("chmod", "755", "/opt/flood")
    lab.edit((f'paths.llmgen = "{lab.sparks}"', 'paths.llmgen = "/opt/flood"'))
    only_spark_fails(lab, "remote.too-much")
    until(lambda: not spark.processes("^yes"))


def test_shell_that_never_answers(lab, spark):
    shell(spark, "exec sleep 100000")
    only_spark_fails(lab, "remote.no-answer")


def test_shell_that_greets_before_everything(lab, spark):
    shell(spark, 'echo "Welcome to spark"; [ -n "$2" ] && exec /bin/sh -c "$2"')
    assert lab.document("status")["data"]["hosts"]["spark"]["data"]["services"]
