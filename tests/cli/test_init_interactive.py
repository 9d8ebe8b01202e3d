"""`init --interactive` on a terminal of its own; elsewhere it asks nothing."""

import os
import pty
import select
import subprocess
import sys
import tomllib

import pytest
from gguf_writer import llama, write_gguf

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.detect.interview import numbers


@pytest.fixture
def folder(tmp_path):
    models = tmp_path / "models"
    write_gguf(models / "Chat-Q8_0.gguf", *llama(vocabulary_size=300))
    write_gguf(models / "embed.gguf", *llama(architecture="bert", more={"bert.pooling_type": 2}))
    return tmp_path


def environment(folder):
    own = {"HOME": str(folder), "PATH": os.environ["PATH"], "NO_COLOR": "1", "TERM": "xterm"}
    return {**own, "PYTHONPATH": os.pathsep.join(sys.path)}


def asked(folder, *answers, words=()):
    """What the terminal shows, and how the command ended, when these lines are typed one by one."""
    near, far = pty.openpty()
    command = [sys.executable, "-m", "llmgen", "init", "--interactive", *words]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdin=far, stdout=far, stderr=far
    )
    os.close(far)
    shown, waiting = "", list(answers)
    while process.poll() is None or select.select([near], [], [], 0)[0]:
        if not select.select([near], [], [], 60)[0]:
            process.kill()
        try:
            piece = os.read(near, 4096).decode()
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if shown.rstrip(" ").endswith(">") and piece.strip():
            os.write(near, (waiting.pop(0) if waiting else "\x04").encode() + b"\n")
    os.close(near)
    return shown.replace("\r", ""), process.wait()


def written(folder):
    text = (folder / "llm.toml").read_text()
    load([parse("llm.toml", text)])
    return tomllib.loads(text)


def test_nobody_is_asked_where_no_terminal_is(folder):
    done = subprocess.run(
        [sys.executable, "-m", "llmgen", "init", "--interactive"],
        cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, input="",
    )  # fmt: skip
    assert done.returncode == 2
    assert "`llmgen init` alone asks nothing" in done.stderr
    assert not (folder / "llm.toml").exists()


def test_enter_alone_takes_everything_in_for_a_chat_on_this_machine(folder):
    shown, code = asked(folder, "", "", "")
    assert code == 0, shown
    assert "1/3  Which are to be served?" in shown
    assert "Chat-Q8_0.gguf" in shown
    found = written(folder)
    assert found["sync"] == {"stores": ["models"]}
    assert "gateway" not in found
    assert "next: `llmgen sync`" in shown


def test_numbers_name_models_and_the_others_ask_again(folder):
    shown, code = asked(folder, "7", "1-2", "two", "2", "3")
    assert code == 0, shown
    assert "`7` is no number from 1 to 2" in shown
    assert "`two` is no number from 1 to 3" in shown
    found = written(folder)
    assert found["models"] == {
        "chat": {"model": "Chat-Q8_0.gguf", "ctx_size": "max"},
        "embed": {"model": "embed.gguf", "role": "embedding"},
    }
    assert found["apps"] == {
        "open_webui": {"enable": True, "secret_key": {"file": "open-webui.key"}}
    }
    assert "next: `llmgen lock`" in shown


def test_model_of_the_hub_for_the_network_gets_a_key_by_reference(folder):
    shown, code = asked(folder, "ggml-org/gemma-3-1b-it-GGUF:Q4_K_M", "3", "2")
    assert code == 0, shown
    found = written(folder)
    assert found["models"]["gemma-3-1b-it"]["parallel"] == 4
    envoy = found["gateway"]["envoy"]
    assert envoy["api_keys"] == [{"name": "me", "secret": {"file": "me.key"}}]
    assert "~/.config/llmgen/me.key" in shown


def test_end_of_input_and_a_file_that_is_there_write_nothing(folder):
    _, code = asked(folder, "")
    assert code == 130
    assert not (folder / "llm.toml").exists()
    (folder / "llm.toml").write_text("# mine\n")
    shown, code = asked(folder)
    assert code == 6
    assert "1/3" not in shown
    assert (folder / "llm.toml").read_text() == "# mine\n"


@pytest.mark.parametrize(("text", "found"), [("1 3-5, 3", [1, 3, 4, 5]), ("", [])])
def test_numbers(text, found):
    assert numbers(text, 5) == found


@pytest.mark.parametrize("text", ["0", "6", "5-3", "x", "1-", "-1", "1.5"])
def test_what_is_no_number_is_said(text):
    with pytest.raises(ValueError, match="is no number from 1 to 5"):
        numbers(text, 5)
