"""The modules for NixOS, home-manager and nix-darwin, by a real nix and nixpkgs' own module system.

What is around them (`systemd.packages`, `environment.etc` …) is declared by the tests.
"""

import json
import os
import plistlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import readers

from llmgen.config.schema import schema

ROOT = Path(__file__).parents[2]
MACHINE = Path(__file__).parent / "data" / "machine.nix"
# Where llm.toml's own defaults have programs, so that the units name the same.
PROGRAMS = {
    name: f"/usr/local/bin/{name.replace('_', '-')}"
    for name in ("llama_server", "llama_swap", "envoy", "litellm", "llmgen", "open_webui")
}

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.reader("nix-instantiate", "minfeatures.nix", "jq"),
]


@pytest.fixture(scope="module")
def nix(tmp_path_factory):
    """Evaluate and build with a store of its own; the machine's stays as it is."""
    place = tmp_path_factory.mktemp("nix")
    environment = {
        "HOME": str(place),
        "PATH": os.environ["PATH"],
        "NIX_STORE_DIR": str(place / "store"),
        "NIX_STATE_DIR": str(place / "state"),
        "NIX_LOG_DIR": str(place / "log"),
        "NIX_CONF_DIR": str(place),
        "LLMGEN_PYTHON": sys.executable,
        "LLMGEN_ROOT": str(ROOT),
    }
    (place / "nix.conf").write_text("sandbox = false\nsubstitute = false\nbuild-users-group =\n")
    library = readers.find("minfeatures.nix").parent

    def run(program, kind, settings, *words, lock=ROOT / "llm.lock", attribute="said"):
        file = place / "settings.json"
        file.write_text(json.dumps(settings), "utf-8")
        about = ["--arg", "library", library, "--argstr", "kind", kind, "--arg", "settings", file]
        return subprocess.run(
            [program, *words, MACHINE, *about, "--arg", "lockFile", lock, "-A", attribute],
            env=environment,
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )

    yield run
    # Nix takes the right to write away from what it stores.
    subprocess.run(["chmod", "-R", "u+w", place], check=True)


@pytest.fixture
def built(nix):
    """The folder of the stack of a machine."""

    def build(kind, settings):
        done = nix("nix-build", kind, settings, "--no-out-link", attribute="stack")
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())

    return build


@pytest.fixture
def said(nix):
    """What a machine's configuration is, evaluated."""

    def evaluate(kind, settings):
        done = nix("nix-instantiate", kind, settings, "--eval", "--json", "--read-write-mode")
        assert done.returncode == 0, done.stderr
        return json.loads(json.loads(done.stdout))

    return evaluate


def repository(**more):
    """This repository's llm.toml, with programs where a machine without Nix has them."""
    settings = tomllib.loads(ROOT.joinpath("llm.toml").read_text("utf-8"))
    settings["paths"] |= PROGRAMS
    return {**settings, **more}


def generate(settings, folder):
    """What llmgen writes without Nix, of an llm.toml whose tables are in Nix's order."""
    lines = [f"{name} = {inline(settings[name])}\n" for name in sorted(settings)]
    folder.joinpath("llm.toml").write_text("".join(lines), "utf-8")
    folder.joinpath("llm.lock").write_bytes(ROOT.joinpath("llm.lock").read_bytes())
    words = [sys.executable, "-m", "llmgen", "generate"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return folder / "generated"


def inline(value):
    """A value of TOML in one line."""
    match value:
        case dict():
            inner = ", ".join(
                f"{json.dumps(name)} = {inline(value[name])}" for name in sorted(value)
            )
            return f"{{ {inner} }}"
        case list():
            return f"[{', '.join(map(inline, value))}]"
        case _:
            return json.dumps(value)


def below(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_settings_have_every_key_of_llm_toml(nix):
    done = nix("nix-instantiate", "nixos", {}, "--eval", "--json", "--strict", attribute="keys")
    assert done.returncode == 0, done.stderr
    keys = set(json.loads(done.stdout)) - {"_module"}
    assert keys == set(schema()["properties"])


def test_nixos_has_the_units_of_generate(built, tmp_path):
    stack = built("nixos", repository())
    units = stack / "lib" / "systemd" / "system"
    written = generate(repository(), tmp_path)
    native = below(written / "systemd" / "system")
    assert below(units) == native
    wants = units.joinpath("llmgen.target.d", "wants.conf").read_text("utf-8").splitlines()
    assert wants == ["[Unit]", *sorted(f"Wants={name}" for name in native if "target" not in name)]
    config = stack / "root" / "etc" / "llmgen"
    for name in ("llama-swap/config.yaml", "envoy/envoy.yaml", "plan.json"):
        assert (config / name).read_bytes() == (written / name).read_bytes()


def test_nixos_takes_them_with_account_target_and_files(said):
    found = said("nixos", repository())
    assert [path.rpartition("-")[2] for path in found["packages"]] == ["stack"]
    assert found["targets"] == {"llmgen": {"wantedBy": ["multi-user.target"]}}
    assert found["etc"]["llmgen"]["source"].endswith("-llmgen-stack/root/etc/llmgen")
    assert found["users"]["users"]["llm"]["home"] == "/home/llm"
    assert [item["message"] for item in found["assertions"] if not item["assertion"]] == []


def test_absent_programs_are_those_of_nixpkgs(nix):
    settings = repository()
    settings["paths"] = {"home": "/home/llm", "models": "~/models"}
    del settings["llama_cpp"]
    done = nix("nix-build", "nixos", settings, "--no-out-link", attribute="toml")
    assert done.returncode == 0, done.stderr
    written = tomllib.loads(Path(done.stdout.strip()).read_text("utf-8"))
    assert written["paths"]["envoy"].endswith("-envoy/bin/envoy")
    # No gateway asks for it, so it is not built either.
    assert "litellm" not in written["paths"]
    assert written["llama_cpp"] == {"build": 11434}
    assert written["services"] == settings["services"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"modells": {}}, "The option `services.llmgen.settings.modells' does not exist"),
        ({"gateway": {"envoy": {"port": "x"}}}, "services.llmgen.settings.gateway.envoy.port"),
        ({"services": {"runtime": "docker"}}, "services.llmgen.settings.services.runtime"),
    ],
)
def test_a_key_or_value_that_is_none_is_told_with_its_option(settings, words, nix):
    done = nix("nix-instantiate", "nixos", settings, attribute="stack")
    assert done.returncode == 1
    assert words in done.stderr


def test_a_plan_that_does_not_fit_is_no_system(nix):
    settings = repository(hardware={"profile": "nvidia-12gb", "memory": "16GiB"})
    done = nix("nix-build", "nixos", settings, "--no-out-link", attribute="stack")
    assert done.returncode != 0
    assert "error[budget." in done.stderr


def test_home_manager_has_the_units_of_a_user(built, said, tmp_path):
    settings = repository(services={"on_demand": "llama_swap"})
    settings["paths"] = {**PROGRAMS, "home": "/home/me", "models": "~/models"}
    settings["edition"] = 2
    stack = built("home", settings)
    written = generate(settings, tmp_path)
    assert below(stack / "lib" / "systemd" / "user") == below(written / "systemd" / "user")
    found = said("home", settings)["configFile"]
    assert found["systemd/user"] == {"source": f"{stack}/lib/systemd/user", "recursive": True}
    wanted = found["systemd/user/default.target.wants/llmgen.target"]["source"]
    assert Path(wanted).read_bytes() == (written / "systemd/user/llmgen.target").read_bytes()


def test_nix_darwin_has_launchds_daemons(said):
    settings = {
        **repository(services={"on_demand": "llama_swap"}),
        "hardware": {"profile": "apple-silicon-128gb"},
        "paths": {**PROGRAMS, "home": "/Users/me", "models": "~/models"},
    }
    found = said("darwin", settings)
    names = {name.removesuffix(".plist") for name in found["launchDaemons"]}
    assert {"llmgen.swap", "llmgen.envoy"} <= names
    for name, file in found["launchDaemons"].items():
        job = plistlib.loads(Path(file["source"]).read_bytes())
        assert f"{job['Label']}.plist" == name
        assert job["UserName"] == "me"
        folder = str(Path(job["StandardOutPath"]).parent)
        assert folder in found["activationScripts"]["preActivation"]["text"]
