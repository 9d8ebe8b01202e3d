"""The booted systemd itself: it runs, and the machine around it does not notice."""

import os
from pathlib import Path


def test_it_is_pid_1_of_its_own_world(booted):
    assert booted.must("cat", "/proc/1/comm") == "systemd\n"
    assert booted.must("hostname").strip() == booted.name != os.uname().nodename


def test_what_it_writes_stays_inside(booted):
    booted.must("touch", "/etc/llmgen-was-here", "/var/tmp/llmgen-was-here")
    assert not Path("/etc/llmgen-was-here").exists()
    assert not Path("/var/tmp/llmgen-was-here").exists()
