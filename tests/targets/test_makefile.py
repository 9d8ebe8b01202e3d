"""The Makefile by the real make: goals, commands, hostile titles."""

import json
import os
import random
import shutil
import subprocess

import plans
import pytest

from llmgen.building.recipe import PROGRAMS
from llmgen.cli import COMMANDS
from llmgen.render.environment import make_render
from llmgen.targets import makefile

STACK = """
[models.gpt-oss-20b]
model = "a.gguf"
[models.gpt-oss-120b]
model = "b.gguf"
default = true
[models."small/coder"]
model = "c.gguf"
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")


def made(folder, text=STACK):
    (found,) = makefile.artifacts(plans.plan(text), make_render())
    (folder / "Makefile").write_bytes(found.content)
    return folder / "Makefile"


def ran(*words):
    """What make prints; without the switches of a make that runs these tests."""
    own = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}  # fmt: skip
    line = ["make", "--no-print-directory", *words]
    return subprocess.run(line, capture_output=True, text=True, check=True, env=own).stdout


def make(file, *words):
    """What make would do, or does, without llmgen: a stand-in tells its words."""
    stand_in = file.with_name("llmgen")
    stand_in.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    stand_in.chmod(0o755)
    return ran("--silent", "-f", file, f"LLMGEN={stand_in}", *words)


def words(file, *goals):
    return make(file, *goals).split("\0")[:-1]


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("up", ["up"]),
        ("logs", ["logs", "--follow"]),
        ("health", ["status", "--probe"]),
        ("build", ["build"]),
        ("shell", ["shell"]),
        ("models-info", ["models", "list"]),
        ("list-binaries", ["tool", "--list"]),
        ("download-20b", ["pull", "gpt-oss-20b"]),
        ("download-gpt-oss-120b", ["pull", "gpt-oss-120b"]),
        ("download-small-coder", ["pull", "small/coder"]),
        ("llama-bench", ["tool", "--model", "gpt-oss-120b", "llama-bench"]),
    ],
)
def test_goals_are_llmgen_s_verbs(goal, expected, tmp_path):
    assert words(made(tmp_path), goal) == expected


def test_every_tool_is_a_goal_and_every_verb_a_command(tmp_path):
    file = made(tmp_path)
    for tool in PROGRAMS[1:]:
        assert words(file, tool)[-1] == tool
    for goal in makefile._VERBS:
        assert goal.words[0] in COMMANDS


def test_model_and_arguments_are_taken_from_the_command_line(tmp_path):
    found = words(made(tmp_path), "llama-bench", "MODEL=small/coder", "ARGS=-p 512")
    assert found == ["tool", "--model", "small/coder", "llama-bench", "-p", "512"]


def test_a_program_is_copied_out(tmp_path):
    assert words(made(tmp_path), "copy-binary", "BIN=llama-bench") == ["tool", "--copy", ".", "llama-bench"]  # fmt: skip


def test_the_size_of_two_models_is_no_goal(tmp_path):
    text = '[models.a-7b]\nmodel = "a.gguf"\n[models.b-7b]\nmodel = "b.gguf"\n'
    assert "download-7b" not in made(tmp_path, text).read_text()


def test_clean_takes_only_what_carries_the_label(tmp_path):
    file = made(tmp_path)
    first, *prunes = ran("-n", "-f", file, "clean").splitlines()
    assert first == "llmgen uninstall"
    assert [line.split()[1] for line in prunes] == ["container", "volume", "image"]
    assert all(line.endswith(" --filter label=io.llmgen.stack=llmgen") for line in prunes)


def test_help_is_the_default_and_names_each_goal(tmp_path):
    shown = make(made(tmp_path))
    assert [line for line in shown.splitlines() if line.startswith("download-20b ")]
    assert len(shown.splitlines()) > 30


def test_a_thousand_hostile_titles_stay_literal(tmp_path):
    pieces = ("$", "$$", "$(shell id)", "${HOME}", "`id`", "'", '"', "\\", "#", ";", "&&", "|", "%", "%s", ":", "=", "é", " x", "<", "*", "@", "-")  # fmt: skip
    draw = random.Random(2)
    titles = ["t" + "".join(draw.choices(pieces, k=draw.randint(1, 8))) + "." for _ in range(1000)]
    text = "".join(
        f'[models.m{at}]\nmodel = "m{at}.gguf"\ntitle = {json.dumps(title, ensure_ascii=False)}\n'
        for at, title in enumerate(titles)
    )
    shown = make(made(tmp_path, text), "help").splitlines()
    found = {line[:28].strip(): line[29:] for line in shown}
    assert [found[f"download-m{at}"] for at in range(1000)] == titles
