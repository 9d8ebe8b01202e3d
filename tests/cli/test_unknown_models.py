"""A model that the lock does not know keeps nobody from seeing the rest; nothing is written."""

import json

import pytest
from click.testing import CliRunner
from making import HEAD, facts

from llmgen.cli.boundary import Session, root
from llmgen.cli.pipeline import read
from llmgen.facts.lock import Entry, Lock, write_lock
from llmgen.resolve.unknown import known_part

TEXT = (
    HEAD
    + """
[models.known]
model = "known.gguf"
fallbacks = ["far"]
[models.far]
hf_repo = "org/repo"
quant = "Q8_0"
[plan]
together = [["known", "far"]]
"""
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "llm.toml").write_text(TEXT)
    write_lock(tmp_path / "llm.lock", Lock({"file:known.gguf": Entry(facts("known.gguf"))}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    done = CliRunner().invoke(root, [*words, "--json"], prog_name="llmgen")
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("words", "code"), [(("show",), 4), (("show", "--explain"), 4), (("firewall",), 0)]
)
def test_what_is_known_is_shown_and_the_rest_named(folder, words, code):
    exit_code, document = run(*words)
    assert exit_code == code
    assert document["data"]
    (told,) = (item for item in document["diagnostics"] if item["code"] == "lock.unknown-model")
    assert told["severity"] == "warning"
    assert "`far`" in told["message"]
    assert told["location"]["line"] == TEXT.splitlines().index("[models.far]") + 1


def test_status_compares_no_files_with_a_part(folder):
    exit_code, document = run("status")
    assert exit_code in (1, 4)
    codes = {item["code"] for item in document["diagnostics"]}
    assert "lock.unknown-model" in codes
    assert "operate.stale-file" not in codes


@pytest.mark.parametrize("words", [("check",), ("generate",), ("diff",), ("install", "--dry-run")])
def test_nothing_is_written_of_a_part(folder, words):
    exit_code, document = run(*words)
    assert exit_code == 4
    assert [item["code"] for item in document["diagnostics"]] == ["lock.missing"]
    assert sorted(item.name for item in folder.iterdir()) == ["llm.lock", "llm.toml"]


def test_a_lock_that_knows_nothing_is_an_error(folder):
    write_lock(folder / "llm.lock", Lock())
    exit_code, document = run("show")
    assert exit_code == 4
    assert document["data"] is None


def test_wishes_about_unknown_models_wait(folder):
    config, unknown = known_part(read(Session()).config, {"file:known.gguf": facts("known.gguf")})
    assert [item.key for item in unknown] == [("models", "far")]
    assert config.plan.together == ()
    assert not config.models["far"].enable
