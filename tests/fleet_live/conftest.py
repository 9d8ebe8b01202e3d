"""One lab for the whole folder; every module begins with nothing installed."""

import pytest
import readers
from lab import Lab  # it finds the next one

from booted import why_not  # isort: skip

PROGRAMS = ("llama-server", "envoy", "sshd", "ssh", "ssh-keygen")


@pytest.fixture(scope="session")
def booted_lab(tmp_path_factory):
    reason = why_not()
    if reason:
        pytest.skip(f"no systemd can be booted here: {reason}")
    missing = [name for name in PROGRAMS if readers.find(name) is None]
    if missing:
        pytest.skip(f"`{missing[0]}` is missing")
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.end()


@pytest.fixture(scope="module")
def lab(booted_lab):
    """With llm.toml as it was and nothing installed."""
    booted_lab.write(booted_lab.text)
    yield booted_lab
    booted_lab.uninstall()


@pytest.fixture(scope="module")
def installed(lab):
    """Installed everywhere, and every server up."""
    lab.must("install")
    return lab
