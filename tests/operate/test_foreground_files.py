"""Files of a foreground stack: keys as they were meant, and a lock that is ours."""

import os
from pathlib import Path, PurePosixPath

import pytest
from making import HEAD, config

from llmgen.errors import InputError
from llmgen.gateway.secrets import fill, placeholder
from llmgen.operate.engines.engine import engine
from llmgen.operate.foreground import run_folder
from llmgen.operate.foreground.run import _environment, _made
from llmgen.operate.foreground.run_folder import alive, only_one
from llmgen.operate.programs import run
from llmgen.targets.services import Service


@pytest.mark.parametrize("key", ["sk-1", 'a"b', "a$b`c", "a\\\\", "'q'", '"'])
def test_keys_are_read_back_from_the_file_that_llmgen_fills(tmp_path, key):
    path = tmp_path / "keys.env"
    path.write_text(f'# x="y"\nKEY="{fill(placeholder("a"), {"a": key}, "env")}"\n')
    assert _made(Service("x", "x", (), made_file=PurePosixPath(path))) == {"KEY": key}


def test_options_of_the_shell_are_not_the_stack_s(monkeypatch):
    monkeypatch.setenv("LLAMA_ARG_N_CPU_MOE", "9")
    monkeypatch.setenv("MTMD_BACKEND_DEVICE", "CUDA1")
    monkeypatch.setenv("LLAMA_API_KEY", "of something else")
    monkeypatch.setenv("LLAMA_CACHE", "/cache")
    found = _environment(Service("x", "x", (), (("LLAMA_ARG_CTX_SIZE", "512"),)))
    assert {name for name in found if "LLAMA" in name or "MTMD" in name} == {
        "LLAMA_ARG_CTX_SIZE",
        "LLAMA_CACHE",
    }


def test_a_lock_that_another_user_made_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(InputError, match="another user"), only_one(["llm.toml"]):
        pytest.fail("it held the place")


def test_the_folder_of_a_stack_is_found_by_its_llm_toml_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with only_one(["llm.toml"]), run_folder.folder() as own:
        assert [*alive([str(Path.cwd() / "llm.toml")])] == [own]
        assert [*alive(["other.toml"])] == []
    assert [*alive(["llm.toml"])] == []


def test_what_a_program_says_may_be_no_text():
    assert run(("printf", r"a\377")).output == "a\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("name", ["swap.key", "~/swap.key"])
def test_keys_are_looked_up_where_the_services_find_them(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for folder in ("etc", "home", "."):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "swap.key").write_text(f"in {folder}\n")
    table = f'[services.llama_swap]\napi_keys = [{{ file = "{name}" }}]\n'
    head = HEAD.replace("/home/llm", f"{tmp_path}/home") + f'config = "{tmp_path}/etc"\n'
    key = engine(config(table, head=head)).endpoint.key
    assert key == ("in home" if "~" in name else "in etc")
