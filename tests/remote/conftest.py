"""A running sshd for each test, and its names in front of the user's own."""

import os

import pytest
from ssh_server import Server


@pytest.fixture
def server(tmp_path, monkeypatch):
    found = Server(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    found.start()
    yield found
    found.stop()
