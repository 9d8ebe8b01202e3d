"""``llmgen report``: one file, never over somebody else's; a refused plan is drawn and refused."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmgen.cli.boundary import root

REPOSITORY = Path(__file__).resolve().parents[2]
TIGHT = "models.devstral-2-123b.ctx_size=128K"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("llm.toml", "llm.lock"):
        shutil.copy(REPOSITORY / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words):
    return CliRunner().invoke(root, ["report", *words])


def test_it_writes_the_page_that_generate_writes(folder):
    done = call()
    assert (done.exit_code, done.stderr) == (0, "wrote report.html\n")
    assert (folder / "report.html").read_bytes() == (
        REPOSITORY / "generated" / "report.html"
    ).read_bytes()


def test_it_replaces_its_own_page(folder):
    assert call("-o", "x.html").exit_code == 0
    first = (folder / "x.html").read_bytes()
    assert call("-o", "x.html", "--what-if", "hardware.host=other").exit_code == 0
    assert (folder / "x.html").read_bytes() != first


def test_a_file_of_others_stays(folder):
    (folder / "report.html").write_text("<h1>mine</h1>")
    done = call()
    assert done.exit_code == 6
    assert "no report of llmgen's" in done.stderr
    assert (folder / "report.html").read_text() == "<h1>mine</h1>"


def test_a_dash_prints_it(folder):
    done = call("-o", "-")
    assert done.stdout.startswith("<!DOCTYPE html>")
    assert not (folder / "report.html").exists()


def test_a_plan_that_does_not_fit_is_drawn_and_refused(folder):
    done = call("--what-if", TIGHT)
    assert done.exit_code == 5
    assert "error[budget.device-full]" in done.stderr
    assert "llm.toml:" in done.stderr or "<what-if>" in done.stderr
    text = (folder / "report.html").read_text("utf-8")
    assert "Does not fit" in text
    assert "What does not fit, and what would" in text


def test_an_override_is_drawn_without_an_error(folder):
    done = call("--what-if", TIGHT, "--what-if", "budget.override=I know")
    assert done.exit_code == 0
    assert "generated all the same: I know" in (folder / "report.html").read_text("utf-8")


def test_json_has_the_value(folder):
    data = json.loads(call("--json").stdout)["data"]
    assert data["path"] == "report.html"
    assert [pool["name"] for pool in data["report"]["pools"]] == ["host", "gpu0"]
    proof = json.loads((REPOSITORY / "generated" / "plan.json").read_text("utf-8"))
    assert {item["name"]: item["footprint"] for item in data["report"]["models"]} == {
        name: item["bytes"] for name, item in proof["models"].items()
    }


def test_an_unwritable_place_is_said(folder):
    done = call("-o", str(folder / "none" / "x.html"))
    assert done.exit_code == 4
    assert "x.html" in done.stderr
