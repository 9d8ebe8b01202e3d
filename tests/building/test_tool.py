"""`llmgen tool` and `shell`: words, the model's path, on the host and in the image."""

import sys
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest

sys.path.append(str(Path(__file__).parent.parent / "targets"))
import plans

from llmgen.building import tool

STACK = '[models.coder]\nmodel = "a/b c.gguf"\n[models.other]\nmodel = "o.gguf"\n'
CALLER = tool.Caller(1000, 1001, PurePosixPath("/home/me/here"), terminal=False)


def library(more=""):
    return plans.library(STACK + more)


def words(name, *told, model="coder"):
    return tool.words(name, library().model(model), told)


def test_the_model_s_path_is_filled_in():
    assert words("llama-bench", "-p", "512") == ("--model", "/srv/models/a/b c.gguf", "-p", "512")


def test_or_stands_where_it_is_wanted():
    told = words("llama-quantize", "{model}", "out.gguf", "Q4_K_M")
    assert told == ("/srv/models/a/b c.gguf", "out.gguf", "Q4_K_M")


@pytest.mark.parametrize("name", sorted(tool.POSITIONAL))
def test_tools_without_such_an_option_get_nothing_that_was_not_said(name):
    assert words(name, "--help") == ("--help",)


def test_without_a_model_words_are_as_they_are():
    assert tool.words("llama-cli", None, ("--version",)) == ("--version",)


def test_tools_of_the_host_are_where_llama_server_is():
    assert tool.on_host(library(), "llama-bench", ["-p", "1"]) == ("/usr/local/bin/llama-bench", "-p", "1")  # fmt: skip
    head = plans.HEAD.replace('home = "/home/llm"', 'home = "/home/llm"\nprefix = "/opt/x"')
    built = plans.library(STACK, head)
    assert tool.on_host(built, "llama-bench", []) == ("/opt/x/bin/llama-bench",)


@pytest.mark.parametrize("program", ["podman", "docker"])
def test_the_image_sees_the_models_read_only_and_nothing_of_the_network(program):
    found = library(f'[containers]\nprogram = "{program}"\nbuild = true\n')
    told = tool.words("llama-bench", found.model("coder"), ("-p", "512"))
    line = tool.in_image(found, "/app/llama-bench", told, CALLER)
    at = line.index("localhost/llmgen-llama-cpp:b11434-vulkan")
    assert line[0] == program
    assert line[at + 1 :] == ("--model", "/models/a/b c.gguf", "-p", "512")
    options = line[:at]
    pairs = {*pairwise(options)}
    assert ("--volume", "/srv/models:/models:ro") in pairs
    assert ("--volume", "/home/me/here:/work") in pairs
    assert {("--network", "none"), ("--cap-drop", "all"), ("--entrypoint", "/app/llama-bench")} <= pairs  # fmt: skip
    assert ("--label", "io.llmgen.stack=llmgen") in pairs
    assert ("--device", "/dev/dri") in pairs
    assert "--tty" not in options


def test_results_belong_to_whoever_asked():
    docker = tool.in_image(library('[containers]\nprogram = "docker"\n'), "/x", (), CALLER)
    podman = tool.in_image(library('[containers]\nprogram = "podman"\n'), "/x", (), CALLER)
    assert ("--user", "1000:1001") in {*pairwise(docker)}
    assert ("--userns", "keep-id") in {*pairwise(podman)}


def test_a_shell_in_a_running_service():
    found = library('[containers]\nprogram = "podman"\n')
    line = tool.entered(found, "swap", (), CALLER)
    assert line == ("podman", "exec", "--interactive", "llmgen-swap", "/bin/sh")


def test_a_program_comes_out_of_an_image_that_never_runs():
    found = library('[containers]\nprogram = "podman"\nimage = "x/y:1"\n')
    create, copy, remove = tool.copied(found, "llama-bench", "/tmp/here", "one")
    assert create == ("podman", "create", "--name", "one", "--label", "io.llmgen.stack=llmgen", "x/y:1")  # fmt: skip
    assert copy == ("podman", "cp", "one:/app/llama-bench", "/tmp/here")
    assert remove == ("podman", "rm", "one")
