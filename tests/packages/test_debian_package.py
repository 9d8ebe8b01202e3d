"""The Debian source package, built by dpkg-buildpackage and judged by lintian."""

import os
import re
import subprocess
import sys
from email import message_from_string

import pytest
import readers

import llmgen

# What lintian says of the machine and not of the package: it knows an older policy.
OF_THE_MACHINE = {"newer-standards-version"}
DEBIAN = "/usr/sbin:/usr/bin:/sbin:/bin"


def same_python():
    """Whether Debian's Python can use the tests' packages: hatchling may be too old there."""
    words = ["/usr/bin/python3", "-c", "import sys; print(sys.version_info[:2])"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() == str(sys.version_info[:2])


@pytest.fixture(scope="module")
def built(released, tmp_path_factory):
    """The folder in which the source package was unpacked and built."""
    if not same_python():
        pytest.skip("Debian's python3 is another one than the tests', whose hatchling builds")
    folder = tmp_path_factory.mktemp("debian")
    (dsc,) = released.glob("*.dsc")
    subprocess.run(["dpkg-source", "--extract", dsc, "source"], cwd=folder, check=True)
    (packages,) = {path for path in sys.path if os.path.isdir(os.path.join(path, "hatchling"))}
    done = subprocess.run(
        ["dpkg-buildpackage", "--unsigned-source", "--unsigned-changes", "--no-check-builddeps"],
        cwd=folder / "source",
        env={"PATH": DEBIAN, "HOME": str(folder), "PYTHONPATH": packages},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return folder


@pytest.mark.reader("dpkg-buildpackage")
def test_its_version_and_what_it_needs_are_the_projects(released):
    (dsc,) = released.glob("*.dsc")
    said = message_from_string(dsc.read_text("utf-8"))
    assert said["Version"] == f"{llmgen.__version__}-1"
    assert "python3-hatchling (>= 1.27)" in said["Build-Depends"]


@pytest.mark.thorough
@pytest.mark.reader("dpkg-buildpackage", "dh", "dh_python3", "pyproject-build")
def test_the_package_is_llmgen_with_its_completions(built):
    (deb,) = built.glob("*.deb")
    said = subprocess.run(["dpkg-deb", "--info", deb], capture_output=True, text=True, check=True)
    for name in ("python3-pydantic (>= 2.7)", "python3-yaml (>= 6)", "python3-msgspec (>= 0.19)"):
        assert name in said.stdout
    subprocess.run(["dpkg-deb", "--extract", deb, built / "root"], check=True)
    assert (built / "root/usr/share/bash-completion/completions/llmgen").stat().st_size
    assert (built / "root/usr/share/man/man1/llmgen-fit.1.gz").stat().st_size
    done = subprocess.run(
        [sys.executable, "-m", "llmgen", "--version"],
        cwd=built,
        env={"PATH": DEBIAN, "PYTHONPATH": str(built / "root/usr/lib/python3/dist-packages")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"llmgen, version {llmgen.__version__}\n"


@pytest.mark.thorough
@pytest.mark.reader("dpkg-buildpackage", "dh", "dh_python3", "pyproject-build", "lintian")
def test_lintian_finds_nothing(built):
    (changes,) = built.glob("*.changes")
    words = [readers.find("lintian"), "--allow-root", "--display-level", ">=warning", changes]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.findall(r"^([EW]): [^:\n]+: (\S+)", done.stdout, re.MULTILINE)
    assert done.stdout == "" or found, done.stdout
    assert {tag for _, tag in found} - OF_THE_MACHINE == set(), done.stdout
