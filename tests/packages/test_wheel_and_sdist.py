"""The wheel and the sdist: taken by PyPI's checker, whole, and of the right version without git."""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from released import tool

import llmgen

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """`llmgen` of the wheel in an environment whose other packages are the tests' own."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    (others,) = {path for path in sys.path if path.endswith("site-packages") and Path(path, "click").is_dir()}  # fmt: skip
    site.joinpath("others.pth").write_text(f"{others}\n")

    def run(*words, folder):
        return subprocess.run(
            [next(site.parents[2].glob("bin/python")), "-m", "llmgen", *words],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_twine_takes_both(released, wheel):
    files = [wheel, *released.glob("llmgen-*.tar.gz")]
    words = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *files]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout


def test_every_template_and_table_is_in_the_wheel(wheel):
    wanted = {f"llmgen/templates/{path}" for path in below(ROOT / "templates")}
    wanted |= {f"llmgen/data/{path}" for path in below(ROOT / "llmgen" / "data")}
    with zipfile.ZipFile(wheel) as packed:
        assert wanted <= set(packed.namelist())


def test_the_sdist_has_what_the_tests_need(released):
    (sdist,) = released.glob("llmgen-*.tar.gz")
    with tarfile.open(sdist) as packed:
        names = {name.split("/")[1] for name in packed.getnames() if "/" in name}
    ours = {path.name for path in ROOT.iterdir()}
    asked = {".ci", ".github", "Makefile", "flake.nix", "generated", "llm.lock", "llm.toml", "llmgen", "packaging", "pylock.toml", "templates", "tests", "tools"}  # fmt: skip
    assert asked <= names
    # Whatever git ignores stays away, and the metadata is the only file that is added.
    assert names - ours == {"PKG-INFO"}
    assert not {".venv", ".git", "dist"} & names


def test_its_version_is_the_packages_own(installed, wheel, tmp_path):
    done = installed("--version", folder=tmp_path)
    assert done.stdout == f"llmgen, version {llmgen.__version__}\n"
    assert wheel.name == f"llmgen-{llmgen.__version__}-py3-none-any.whl"


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    ("wanted", "code"),
    [("=={}", 0), (">={}", 0), (">{}", 3), ("!={}", 3), (">=99", 3)],
)
def test_requires_llmgen_is_compared_with_that_version(wanted, code, installed, tmp_path):
    text = ROOT.joinpath("llm.toml").read_text("utf-8")
    line = f'requires_llmgen = "{wanted.format(llmgen.__version__)}"'
    changed, count = re.subn(r"^requires_llmgen = .*$", line, text, flags=re.MULTILINE)
    assert count == 1
    tmp_path.joinpath("llm.toml").write_text(changed, "utf-8")
    tmp_path.joinpath("llm.lock").write_bytes(ROOT.joinpath("llm.lock").read_bytes())
    done = installed("check", folder=tmp_path)
    assert done.returncode == code, done.stderr
    assert ("config.other-llmgen" in done.stderr) == bool(code)


def test_what_is_pinned_is_what_the_package_asks_for(wheel):
    project = tool("project")
    pinned = {package.name: package.version for package in project.pins().packages}
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (item for item in packed.namelist() if item.endswith("METADATA"))
        lines = packed.read(name).decode().partition("\n\n")[0].splitlines()
    found = [Requirement(line.partition(": ")[2]) for line in lines if line.startswith("Requires-Dist")]  # fmt: skip
    needed = [item for item in found if item.marker is None]
    assert needed
    wrong = [str(item) for item in needed if pinned.get(canonicalize_name(item.name)) not in item.specifier]  # fmt: skip
    assert wrong == [], "refresh it: make pins"


def below(folder):
    """The files below a folder, without what Python leaves there."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}
