"""The same llm.toml and lock give the same bytes, wherever and by whomever they are rendered."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CASES = ["samplers", "repository", "router"]


def case(name, folder):
    """The case's two files in a folder of their own."""
    source = ROOT if name == "repository" else ROOT / "tests" / "cases" / name
    folder.mkdir(parents=True)
    for file in ("llm.toml", "llm.lock"):
        shutil.copy(source / file, folder / file)
    return folder


def generate(folder, output, *, env=None, cwd=None, umask=0o022, python=sys.executable):
    """`llmgen generate` as a process of its own."""
    words = [python, "-m", "llmgen", "-c", folder / "llm.toml", "generate", "-o", output]
    done = subprocess.run(
        words,
        env={"PATH": os.environ["PATH"], **(env or {})},
        cwd=cwd or folder,
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        path.relative_to(output).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(output.rglob("*"))
        if path.is_file()
    }


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", CASES)
def test_seed_locale_zone_home_folder_and_umask_change_nothing(name, tmp_path):
    here = generate(
        case(name, tmp_path / "here"),
        tmp_path / "one",
        env={"PYTHONHASHSEED": "1", "LANG": "C", "TZ": "UTC", "HOME": "/root"},
        umask=0o077,
    )
    (tmp_path / "elsewhere").mkdir()
    there = generate(
        case(name, tmp_path / "a longer" / "there"),
        tmp_path / "two",
        env={
            "PYTHONHASHSEED": "2",
            "LC_ALL": "tr_TR.UTF-8",
            "TZ": "Asia/Kathmandu",
            "HOME": str(tmp_path),
            "USER": "somebody",
            "XDG_CONFIG_HOME": str(tmp_path),
            "COLUMNS": "40",
        },
        cwd=tmp_path / "elsewhere",
        umask=0o002,
    )
    assert list(here) == list(there)
    assert [path for path in here if here[path] != there[path]] == []
    assert len(here) > 5


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A wheel of this checkout, unpacked where the checkout is not."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = folder.glob("llmgen-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", CASES)
def test_an_installed_wheel_renders_the_same_bytes(name, installed, tmp_path):
    folder = case(name, tmp_path / "case")
    checkout = generate(folder, tmp_path / "one", cwd=ROOT)
    # The checkout is installed editable, so the wheel's folder has to come first.
    wheel = generate(folder, tmp_path / "two", cwd=tmp_path, env={"PYTHONPATH": str(installed)})
    assert wheel == checkout


def test_the_wheel_is_what_that_process_imports(installed, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import llmgen.render.environment as e; print(e.templates_folder())",
        ],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(installed / "llmgen" / "templates")
