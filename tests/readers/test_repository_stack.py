"""The repository's own generated/ is accepted by the programs that would read it."""

import plistlib
import re
import subprocess
from pathlib import Path

import httpx
import pytest
from yaml_reader import read_yaml

import readers
from readers.llama_swap_rules import problems
from readers.ports import free_port
from readers.running import running
from readers.systemd_syntax import read_environment_file

GENERATED = Path(__file__).parents[2] / "generated"
SWAP = GENERATED / "llama-swap" / "config.yaml"
PRESETS = GENERATED / "llama-server" / "models.ini"
CONFS = sorted((GENERATED / "llama-server").glob("*.conf"))
UNITS = sorted((GENERATED / "systemd").rglob("llmgen*"))
PLISTS = sorted((GENERATED / "launchd").rglob("*.plist"))


def test_there_is_something_to_check():
    assert SWAP.exists()
    assert PRESETS.exists()
    assert min(len(CONFS), len(UNITS), len(PLISTS)) >= 2


def test_llama_swap_has_nothing_to_complain_of():
    assert problems(SWAP.read_text("utf-8")) == []


@pytest.mark.reader("llama-swap")
def test_llama_swap_lists_every_model(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [readers.find("llama-swap"), "-config", SWAP, "-listen", f"127.0.0.1:{port}"]
    with running(words, ready=f"{url}/health", log=tmp_path / "log"):
        listed = {item["id"] for item in httpx.get(f"{url}/v1/models").json()["data"]}
    assert set(read_yaml(SWAP.read_text("utf-8"))["models"]) <= listed


@pytest.mark.reader("llama-server")
def test_router_lists_every_preset(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [readers.find("llama-server"), "--models-preset", PRESETS, "--port", str(port)]
    with running(
        words, env={"LLAMA_CACHE": str(tmp_path)}, ready=f"{url}/health", log=tmp_path / "log"
    ):
        listed = {item["id"] for item in httpx.get(f"{url}/models").json()["data"]}
    assert listed == set(re.findall(r"^\[(.+)\]$", PRESETS.read_text("utf-8"), re.MULTILINE))


@pytest.mark.reader("bash")
@pytest.mark.parametrize("path", CONFS, ids=lambda path: path.name)
def test_shell_and_systemd_read_the_same_from_a_conf(path):
    script = f'set -aeu; . "{path}"; env -0'
    done = subprocess.run(["bash", "-c", script], env={}, capture_output=True, check=True)
    shell = dict(item.split("=", 1) for item in done.stdout.decode().split("\0")[:-1])
    wanted = read_environment_file(path.read_text("utf-8"))
    assert {name: shell[name] for name in wanted} == wanted
    assert done.stderr == b""


@pytest.mark.reader("systemd-analyze")
def test_systemd_has_nothing_to_complain_of(tmp_path):
    for unit in UNITS:
        text = re.sub(
            r"^(Exec\w+=)/usr/local/bin/\S+",
            r"\1/bin/true",
            unit.read_text("utf-8"),
            flags=re.MULTILINE,
        )
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        [
            readers.find("systemd-analyze"),
            *("verify", "--system", "--man=no", "--generators=no"),
            *sorted(tmp_path.iterdir()),
        ],
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if "llmgen" in line] == []


@pytest.mark.reader("systemd-analyze")
@pytest.mark.parametrize(
    "unit", [path for path in UNITS if path.suffix == ".service"], ids=lambda path: path.name
)
def test_exposure_is_4_at_most(unit):
    done = subprocess.run(
        [readers.find("systemd-analyze"), "security", "--offline=yes", "--threshold=40", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("path", PLISTS, ids=lambda path: path.name)
def test_plists_are_read_back(path):
    job = plistlib.loads(path.read_bytes())
    assert job["Label"] == path.stem
    assert job["ProgramArguments"][0].startswith("/")
