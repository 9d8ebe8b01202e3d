"""Options of CMake: for each backend, of llm.toml, and how many compilers run at a time."""

import pytest

from llmgen.building.recipe import PROGRAMS, architectures, flags, jobs
from llmgen.config.tables.recipe import BuildRecipe
from llmgen.units import GIB

BACKENDS = ["cuda", "rocm", "vulkan", "metal", "cpu"]


def words(backend, recipe=BuildRecipe(), gpus=()):  # noqa: B008 - frozen
    return [flag.word for flag in flags(backend, 11434, recipe, gpus)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_flag_has_a_reason_and_a_place_of_its_own(backend):
    found = flags(backend, 11434, BuildRecipe(), ("x",))
    assert all(flag.why for flag in found)
    assert len({flag.name for flag in found}) == len(found)


@pytest.mark.parametrize("backend", ["cuda", "rocm", "vulkan", "cpu"])
def test_without_native_code_every_variant_of_the_cpu_is_there(backend):
    found = words(backend)
    wanted = {"-DGGML_NATIVE=OFF", "-DGGML_BACKEND_DL=ON", "-DGGML_CPU_ALL_VARIANTS=ON"}
    assert wanted <= {*found}


def test_a_mac_compiles_for_itself():
    found = words("metal")
    assert "-DGGML_NATIVE=ON" in found
    assert "-DCMAKE_INSTALL_RPATH=@loader_path" in found
    assert "-DGGML_BACKEND_DL=ON" not in found


def test_gpus_are_those_of_llm_toml_else_of_the_machine_else_all():
    told = BuildRecipe(architectures=("89", "121"))
    assert architectures(told, "86") == ("89", "121")
    assert architectures(BuildRecipe(), "86") == ("86",)
    assert not [word for word in words("cuda") if "ARCHITECTURES" in word]
    assert "-DCMAKE_CUDA_ARCHITECTURES=89;121" in words("cuda", gpus=("89", "121"))
    assert "-DGPU_TARGETS=gfx1151" in words("rocm", gpus=("gfx1151",))


def test_options_of_llm_toml_win_and_stand_last():
    found = words("cpu", BuildRecipe(options={"GGML_NATIVE": "ON", "GGML_LTO": "ON"}))
    assert found[-2:] == ["-DGGML_NATIVE=ON", "-DGGML_LTO=ON"]
    assert "-DGGML_NATIVE=OFF" not in found


def test_compilers_are_limited_by_memory():
    assert jobs(BuildRecipe(), "cpu", 16, 8 * GIB) == 4
    assert jobs(BuildRecipe(), "cuda", 16, 8 * GIB) == 2
    assert jobs(BuildRecipe(), "cpu", 4, 64 * GIB) == 4
    assert jobs(BuildRecipe(), "cuda", 4, GIB) == 1
    assert jobs(BuildRecipe(jobs=7), "cuda", 4, GIB) == 7


def test_the_server_is_the_first_of_the_programs():
    assert PROGRAMS[0] == "llama-server"
    assert len({*PROGRAMS}) == len(PROGRAMS)
