"""Packages for Python: sdist, the wheel that is made from it, and one file with all that it needs.

The zipapp holds compiled modules (msgspec, pydantic-core, PyYAML …), so it is one for each
platform and version of Python, and shiv unpacks it into the user's cache before it runs.
"""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile

from packaging.utils import canonicalize_name
from project import ROOT, pins

HATCH = (sys.executable, "-m", "hatchling", "build")


def epoch():
    """When this commit was made; in an unpacked sdist, what the sdist says."""
    if ROOT.joinpath(".git").exists():
        words = ["git", "log", "-1", "--format=%ct"]
        return int(subprocess.run(words, cwd=ROOT, check=True, capture_output=True).stdout)
    return int(ROOT.joinpath("pyproject.toml").stat().st_mtime)


def build(folder):
    """The sdist, and the wheel as a stranger makes it: from the sdist, without git."""
    run([*HATCH, "--target", "sdist", "--directory", folder], ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    (unpacked,) = folder.joinpath("unpacked").iterdir()
    run([*HATCH, "--target", "wheel", "--directory", folder], unpacked)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def environment(wheel, folder):
    """A virtual environment of the wheel and what pylock.toml pins, unpacked, not installed.

    pip would write its own paths into scripts and records, and no two builds were the same.
    """
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    wanted = folder / "requirements.txt"
    wanted.write_text(requirements(), "utf-8")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    how = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    run([*pip, *how, "--requirement", wanted, "--dest", wheels], folder)
    made = folder / "venv"
    venv.create(made, with_pip=False)
    site = site_packages(made)
    for path in [*sorted(wheels.glob("*.whl")), wheel]:
        with zipfile.ZipFile(path) as packed:
            packed.extractall(site)
    return made


def requirements():
    """The pinned versions for this platform, as pip reads them."""
    lines = []
    for package, chosen in pins().select():
        digest = chosen.hashes["sha256"]
        lines.append(f"{canonicalize_name(package.name)}=={package.version} --hash=sha256:{digest}")
    return "".join(f"{line}\n" for line in sorted(lines))


def zipapp(project, made, output):
    """`llmgen-VERSION-PYTHON-PLATFORM.pyz`."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    platform = sysconfig.get_platform().replace(".", "_")
    name = f"{project.name}-{project.version}-{python}-{platform}.pyz"
    words = ["--site-packages", site_packages(made), "--console-script", project.name]
    how = ["--reproducible", "--compressed", "--python", f"/usr/bin/env {python}"]
    # shiv asks the running pip for what is to be installed besides: nothing.
    run([sys.executable, "-m", "shiv.cli", *words, *how, "--output-file", output / name], ROOT)


def site_packages(made):
    """The folder of a virtual environment that holds its packages."""
    (found,) = made.glob("lib/python*/site-packages")
    return found


def run(words, folder):
    """Run a program, loud only where it fails."""
    done = subprocess.run(
        [*map(str, words)], cwd=folder, env=os.environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"release: {' '.join(map(str, words))}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    # For those who want the pinned wheels and no build.
    sys.stdout.write(requirements())
