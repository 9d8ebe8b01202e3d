"""A release is the same bytes whoever builds it, lists them, and is of one version."""

import subprocess

import pytest
import readers
from released import PARTS, release


@pytest.mark.thorough
def test_umask_zone_locale_and_seed_change_nothing(released, tmp_path):
    again = tmp_path / "again"
    names = [part for part in PARTS if part != "debian" or any(released.glob("*.dsc"))]
    release(again, names, TZ="Asia/Kathmandu", LC_ALL="C", PYTHONHASHSEED="7", umask=0o077)
    assert sums(again) == sums(released)
    assert len(sums(again).splitlines()) >= 4


@pytest.mark.thorough
@pytest.mark.reader("requirements.txt")
def test_the_zipapp_and_its_bill_are_the_same_bytes(zipapp, tmp_path):
    again = tmp_path / "again"
    wheels = str(readers.find("requirements.txt").parent)
    release(again, ["pyz"], TZ="Asia/Kathmandu", PIP_NO_INDEX="1", PIP_FIND_LINKS=wheels)
    assert sums(again) == sums(zipapp)


def test_sha256sum_finds_every_file(released):
    words = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(words, cwd=released, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == len([*released.iterdir()]) - 1


@pytest.mark.thorough
def test_a_tag_of_another_version_is_refused(tmp_path):
    done = release(tmp_path / "dist", ["schema"], "--tag", "v99.0", check=False)
    assert done.returncode == 1
    assert "the tag is v99.0, and llmgen/__init__.py says" in done.stderr


def sums(folder):
    return folder.joinpath("SHA256SUMS").read_text("utf-8")
