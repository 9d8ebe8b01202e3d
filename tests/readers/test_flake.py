"""flake.nix, read by nix; evaluating it needs nixpkgs, which a machine without network has not."""

import subprocess
from pathlib import Path

import pytest

import readers

FLAKE = Path(__file__).parents[2] / "flake.nix"


@pytest.mark.reader("nix-instantiate")
def test_flake_parses():
    done = subprocess.run(
        [readers.find("nix-instantiate"), "--parse", FLAKE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "app",
    ["default", "show", "generate", "install", "up", "llama-swap", "envoy", "litellm", "download"],
)
def test_flake_names_every_app(app):
    assert f"\n          {app} = " in FLAKE.read_text("utf-8")
