"""flake.nix, evaluated and run by the real nix on a stand-in for nixpkgs (data/nixpkgs)."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import llmgen
import readers

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).parent / "data" / "nixpkgs"
SYSTEMS = {"x86_64-linux", "aarch64-linux", "aarch64-darwin"}
SERVERS = {"llama-swap", "envoy", "litellm", "webui"}
VERBS = {"show", "generate", "install", "up", "build", "download", "generate-configs", "firewall"}
APPS = {"default", *VERBS, *SERVERS}
MODULES = {"nixosModules", "homeModules", "darwinModules"}

pytestmark = pytest.mark.reader("nix")


@pytest.fixture(scope="module")
def nix(tmp_path_factory):
    """Run nix with a store of its own: the machine's stays as it is."""
    place = tmp_path_factory.mktemp("nix")
    (place / "home").mkdir()
    environment = {
        "HOME": str(place / "home"),
        "PATH": os.environ["PATH"],
        "NIX_STORE_DIR": str(place / "store"),
        "NIX_STATE_DIR": str(place / "state"),
        "NIX_LOG_DIR": str(place / "log"),
        "NIX_CONF_DIR": str(place),
        "LLMGEN_PYTHON": sys.executable,
    }
    (place / "nix.conf").write_text(
        "experimental-features = nix-command flakes\nsandbox = false\nsubstitute = false\n"
        "build-users-group =\n"
    )

    def run(*words, arguments=()):
        about = ["--no-write-lock-file", "--override-input", "nixpkgs", f"path:{STAND_IN}"]
        done = subprocess.run(
            [readers.find("nix"), *words, *about, "--", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    # Nix takes the right to write away from what it stores.
    subprocess.run(["chmod", "-R", "u+w", place], check=True)


def test_every_output_evaluates_for_every_system(nix):
    shown = json.loads(nix("flake", "show", "--json"))
    outputs = {name: set(found) for name, found in shown.items() if found != {"type": "unknown"}}
    whole = {key: {"default"} for key in ("nixosModules", "overlays")}
    of_systems = dict.fromkeys(("apps", "checks", "devShells", "packages"), SYSTEMS)
    assert outputs == {**of_systems, **whole}
    assert set(shown) >= MODULES
    for system in SYSTEMS:
        assert set(shown["apps"][system]) == APPS
        assert set(shown["packages"][system]) == {"default", "llmgen"}


def test_the_package_has_llmgens_version_and_pyprojects_dependencies(nix):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {re.split(r"[\[<>=! ]", name)[0].lower() for name in project["dependencies"]}
    package = ".#packages.x86_64-linux.default"
    asked = json.loads(nix("eval", "--json", f"{package}.dependencies"))
    assert {name.replace("_", "-") for name in wanted} == set(asked)
    assert json.loads(nix("eval", "--json", f"{package}.version")) == llmgen.__version__


@pytest.mark.thorough
def test_nix_run_is_llmgen_with_its_arguments(nix):
    assert "show" in nix("run", ".", arguments=["--help"])
    plan = json.loads(nix("run", ".", arguments=["show", "--json"]))
    assert json.loads(nix("run", ".#show", arguments=["--json"])) == plan
    nix("run", ".#generate", arguments=["--check"])


@pytest.mark.thorough
def test_apps_with_words_take_the_first_without_one(nix):
    plan = json.loads(nix("run", ".#show", arguments=["--json"]))
    assert json.loads(nix("run", ".#generate-configs", arguments=["show", "--json"])) == plan
    nix("run", ".#generate-configs", arguments=["generate", "--check"])
    assert "tcp dport { 4001" in nix("run", ".#firewall", arguments=["show", "--tool", "nft"])
