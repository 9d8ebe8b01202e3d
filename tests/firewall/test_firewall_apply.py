"""How nft and ufw are asked; what they do is tried in a namespace."""

import pytest

from llmgen.errors import InputError
from llmgen.firewall import apply


@pytest.fixture
def nft(tmp_path, monkeypatch):
    """A stand-in for nft that runs these lines."""

    def make(lines):
        path = tmp_path / "nft"
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)
        monkeypatch.setattr(apply, "_FOLDERS", str(tmp_path))

    return make


def test_script_is_given_on_standard_input(nft, tmp_path):
    nft(f"cat > {tmp_path}/given")
    apply.load("add table inet llmgen")
    assert (tmp_path / "given").read_text() == "add table inet llmgen"


def test_what_it_says_is_told(nft):
    nft("echo Operation not permitted >&2; exit 1")
    with pytest.raises(InputError, match=r"`nft -f -` failed: Operation not permitted"):
        apply.load("flush ruleset")


def test_program_that_does_not_end_is_given_up(nft, monkeypatch):
    nft("exec sleep 600")
    monkeypatch.setattr(apply, "PATIENCE_SECONDS", 0.2)
    with pytest.raises(InputError, match=r"still running after 0\.2 s"):
        apply.load("flush ruleset")
