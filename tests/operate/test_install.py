"""install, rollback and uninstall below a staging root: files only, no service manager."""

import json
import re
import shlex
import tomllib

import pytest
from click.testing import CliRunner
from tiny_stacks import write_stack

from llmgen.cli.boundary import root
from llmgen.operate.installation.own_copy import toml

pytestmark = [pytest.mark.reader("llama-server"), pytest.mark.reader("llama-swap")]


class Staged:
    def __init__(self, folder, **settings):
        self.folder, self.root = folder, folder / "root"
        own = {"home": "/home/x", "config": "/home/x/.config/llmgen", "state": "/home/x/state"}
        write_stack(folder, **own, **settings)

    def llmgen(self, *words, code=0, configs=()):
        named = [word for path in (self.folder / "llm.toml", *configs) for word in ("-c", path)]
        words = [*named, *words, "--root", self.root, "--json"]
        done = CliRunner().invoke(root, [*map(str, words)])
        found = json.loads(done.stdout)
        assert found["exit_code"] == done.exit_code == code, found["diagnostics"]
        return found

    def files(self):
        top = self.root / "home/x"
        below = (path.relative_to(top) for path in top.rglob("*") if path.is_file())
        return {str(path) for path in below if "install" not in path.parts}

    def edit(self, old, new):
        path = self.folder / "llm.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def staged(tmp_path):
    return Staged(tmp_path)


def test_install_uninstall_and_rollback(staged):
    assert staged.llmgen("install")["data"]["steps"] == []
    before = staged.files()
    assert ".config/systemd/user/llmgen-swap.service" in before
    assert ".config/llmgen/llama-swap/config.yaml" in before
    staged.llmgen("uninstall")
    assert staged.files() == set()
    assert staged.llmgen("rollback")["data"]["generation"] == 3
    assert staged.files() == before


def test_dry_run_writes_nothing(staged):
    rows = staged.llmgen("install", "--dry-run")["data"]["changes"]
    assert {row["action"] for row in rows} == {"create"}
    assert not staged.root.exists()


def test_kept_plan_is_carried_out_or_refused_by_path(staged, tmp_path):
    staged.llmgen("install", "--dry-run", "-o", str(tmp_path / "plan"))
    staged.edit("ctx_size = 512", "ctx_size = 1024")
    found = staged.llmgen("install", "--plan", str(tmp_path / "plan"), code=6)
    assert {item["code"] for item in found["diagnostics"]} == {"operate.plan-stale"}
    assert not staged.root.exists()
    staged.edit("ctx_size = 1024", "ctx_size = 512")
    staged.llmgen("install", "--plan", str(tmp_path / "plan"))
    assert staged.files()


def test_foreign_file_is_listed_and_nothing_is_written(staged):
    path = staged.root / "home/x/.config/systemd/user/llmgen-swap.service"
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    found = staged.llmgen("install", code=6)
    assert [item["code"] for item in found["diagnostics"]] == ["apply.conflict"]
    assert staged.files() == {".config/systemd/user/llmgen-swap.service"}
    words = shlex.split(re.search("`(--overwrite [^`]+)`", found["diagnostics"][0]["hint"])[1])
    assert staged.llmgen("install", "--dry-run", *words)["data"]["changes"]
    staged.llmgen("install", "--backup")
    assert path.with_name("llmgen-swap.service.before-llmgen").read_text() == "mine"


def test_missing_generation_is_refused(staged):
    found = staged.llmgen("rollback", "7", code=4)
    assert found["diagnostics"][0]["code"] == "apply.no-generation"


def test_guard_finds_its_llm_toml_beside_the_configuration(staged, tmp_path):
    (tmp_path / "more.toml").write_text('[guard]\nenable = true\n[models.two]\ntitle = "Zwei"\n')
    staged.llmgen("install", configs=[tmp_path / "more.toml"])
    kept = staged.root / "home/x/.config/llmgen"
    document = tomllib.loads((kept / "llm.toml").read_text())
    assert (document["guard"], document["models"]["two"]["title"]) == ({"enable": True}, "Zwei")
    assert document["models"]["one"] == {"model": "b.gguf", "aliases": ["gpt-one"]}
    assert (kept / "llm.lock").read_bytes() == (tmp_path / "llm.lock").read_bytes()


def test_toml_is_read_back_as_it_was():
    document = {
        "a": 'quotes " and \\ and \x7f and \t and ü',
        "b": {"c d": [1, 2.5, True, float("inf")], "e": {}},
        "f": [{"g": "h"}, []],
    }
    assert tomllib.loads(toml(document)) == document
