"""The Containerfile by its readers: hadolint, BuildKit's parser, the shells of its commands."""

import json
import random
import re
import shlex
import subprocess

import dockerfile
import plans
import pytest
import readers

from llmgen.building.recipe import PROGRAMS, flags
from llmgen.config.tables.recipe import BuildRecipe
from llmgen.render.environment import make_render
from llmgen.targets import containerfile

GPU = {"cuda": "121", "rocm": "gfx1151", "vulkan": "", "cpu": ""}
BACKENDS = sorted(GPU)


def head(backend):
    text = plans.HEAD.replace('backend = "vulkan"', f'backend = "{backend}"')
    if backend == "cpu":
        return text.replace('devices = [{ memory = "24GiB" }]', "devices = []")
    return text.replace("[paths]", f'architecture = "{GPU[backend]}"\n[paths]') if GPU[backend] else text  # fmt: skip


def files(backend, more=""):
    plan = plans.plan(plans.STACK + more, head=head(backend))
    found = containerfile.artifacts(plan, make_render())
    return {item.path.name: item.content.decode() for item in found}


def commands(text):
    return dockerfile.parse_string(text)


def stages(text):
    """Name of each stage, with its commands."""
    found = {}
    for item in commands(text):
        if item.cmd == "FROM":
            found[item.value[2]] = []
        elif found:
            [*found.values()][-1].append(item)
    return found


def cmake(text):
    """The words of the configuring command, as its shell splits them."""
    (found,) = (item for item in stages(text)["build"] if "cmake -S" in item.value[0])
    words = shlex.split(found.value[0])
    return words[words.index("-G") + 2 :]


@pytest.mark.reader("hadolint")
@pytest.mark.parametrize("backend", BACKENDS)
def test_hadolint_finds_nothing(backend, tmp_path):
    file = tmp_path / "Containerfile"
    file.write_text(files(backend)["Containerfile"])
    words = [readers.find("hadolint"), "--no-color", file]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.reader("hadolint")
def test_hadolint_would_find_something(tmp_path):
    file = tmp_path / "Containerfile"
    file.write_text(files("cpu")["Containerfile"].replace("# hadolint ignore=DL3008\n", ""))
    done = subprocess.run([readers.find("hadolint"), file], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"DL3008" in done.stdout


@pytest.mark.parametrize("backend", BACKENDS)
def test_stages_and_what_runs_as_whom(backend):
    found = stages(files(backend)["Containerfile"])
    assert [*found] == ["tools", "build", "llama-swap", "envoy", "server", "swap", "all"]
    server = {item.cmd: item.value for item in found["server"]}
    assert server["USER"] == ("10001:10001",)
    assert server["ENTRYPOINT"] == ("/app/llama-server",)
    assert "/health" in server["HEALTHCHECK"][-1]
    labels = dict(zip(server["LABEL"][::2], server["LABEL"][1::2], strict=True))
    assert labels["io.llmgen.stack"].strip('"') == "llmgen"
    assert labels["org.opencontainers.image.version"].strip('"') == "b11434"


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_program_is_compiled_and_copied(backend):
    (compiling,) = (
        item.value[0]
        for item in stages(files(backend)["Containerfile"])["build"]
        if "cmake --build" in item.value[0]
    )
    assert compiling.count(" ".join(PROGRAMS)) == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_flags_are_those_of_the_recipe_each_with_its_reason(backend):
    text = files(backend)["Containerfile"]
    gpus = (GPU[backend],) if GPU[backend] else ()
    expected = flags(backend, 11434, BuildRecipe(), gpus)
    assert cmake(text) == [flag.word for flag in expected]
    for flag in expected:
        at = text.index(shlex.quote(flag.word))
        assert text[:at].splitlines()[-2].strip() == f"# {flag.why}"


def test_the_dgx_spark_gets_its_compute_capability_and_its_cuda():
    spark = 'edition = 2\n[hardware]\nprofile = "dgx-spark"\n[paths]\nhome = "/home/llm"\n'
    plan = plans.plan('[models.a]\nmodel = "a.gguf"\n', head=spark)
    text = next(iter(containerfile.artifacts(plan, make_render()))).content.decode()
    assert "-DCMAKE_CUDA_ARCHITECTURES=121" in cmake(text)
    assert "ARG BUILD_IMAGE=docker.io/nvidia/cuda:13.0.1-devel-ubuntu24.04" in text
    # A variable of the running server, never a word of CMake's.
    assert not [word for word in cmake(text) if "UNIFIED_MEMORY" in word]


def test_several_gpus_are_one_word():
    text = files("rocm", '[llama_cpp.recipe]\narchitectures = ["gfx1100", "gfx1151"]\n')
    assert "-DGPU_TARGETS=gfx1100;gfx1151" in cmake(text["Containerfile"])


def test_options_of_llm_toml_are_in_the_place_of_llmgen_s_own():
    told = '[llama_cpp.recipe.options]\nGGML_NATIVE = "ON"\nGGML_LTO = "ON"\n'
    words = cmake(files("cpu", told)["Containerfile"])
    assert "-DGGML_NATIVE=ON" in words
    assert "-DGGML_NATIVE=OFF" not in words
    assert "-DGGML_LTO=ON" in words


def test_a_build_sees_the_archives_and_nothing_else():
    lines = files("cpu")[".dockerignore"].splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["*", "!sources"]


PIECES = ("\\", '"', "'", "$", "$(id)", "`id`", "${HOME}", "#", "<<EOF", " ", ";", "&&", "é", "\U0001f999", "%", "!", "*", "{}", "-D", "\\n", "=")  # fmt: skip


def hostile(count, seed=16):
    draw = random.Random(seed)
    return ["".join(draw.choices(PIECES, k=draw.randint(1, 8))) for _ in range(count)]


def test_ten_thousand_hostile_options_stay_words():
    """BuildKit's parser takes the file apart, a shell's rules the command."""
    values = hostile(10_000)
    for start in range(0, len(values), 2000):
        told = {f"X{start + at}": text for at, text in enumerate(values[start : start + 2000])}
        lines = "".join(
            f"{name} = {json.dumps(text, ensure_ascii=False)}\n" for name, text in told.items()
        )
        words = cmake(files("cpu", f"[llama_cpp.recipe.options]\n{lines}")["Containerfile"])
        assert words[-len(told) :] == [f"-D{name}={text}" for name, text in told.items()]


def test_a_real_shell_hands_them_to_cmake_as_they_are(tmp_path):
    values = hostile(300, seed=17)
    lines = "".join(
        f"X{at} = {json.dumps(text, ensure_ascii=False)}\n" for at, text in enumerate(values)
    )
    text = files("cpu", f"[llama_cpp.recipe.options]\n{lines}")["Containerfile"]
    (found,) = (item for item in stages(text)["build"] if "cmake -S" in item.value[0])
    stand_in = tmp_path / "cmake"
    stand_in.write_text('#!/bin/sh\nfor word in "$@"; do printf "%s\\0" "$word"; done\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", found.value[0]],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    words = done.stdout.decode().split("\0")[:-1]
    assert words[-300:] == [f"-DX{at}={value}" for at, value in enumerate(values)]


def test_a_hostile_address_is_one_argument():
    """Read back by BuildKit's rule; podman itself reads such values in tests/building."""
    for text in hostile(50, seed=18):
        told = f"[llama_cpp.recipe]\nsource = {json.dumps('https://x.y/' + text, ensure_ascii=False)}\n"
        found = stages(files("cpu", told)["Containerfile"])["build"]
        (address,) = (item.value[0] for item in found if item.value[0].startswith("LLAMA_CPP_URL="))
        quoted = address.partition("=")[2]
        assert re.fullmatch(r'"(?:[^\\"$]|\\[\\"$])*"', quoted)
        assert re.sub(r"\\(.)", r"\1", quoted[1:-1]) == "https://x.y/" + text
