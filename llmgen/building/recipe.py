"""How llama.cpp is compiled: CMake's options for each backend, every one with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from llmgen.config.tables.hardware import Backend
from llmgen.config.tables.recipe import BuildRecipe
from llmgen.errors import Diagnostic
from llmgen.units import GIB

# What is compiled and put into images: the server, and the tools that `llmgen tool` runs.
PROGRAMS: Final = (
    "llama-server",
    "llama-cli",
    "llama-completion",
    "llama-bench",
    "llama-batched-bench",
    "llama-fit-params",
    "llama-quantize",
    "llama-perplexity",
    "llama-imatrix",
    "llama-embedding",
    "llama-tokenize",
    "llama-gguf-split",
)
# Memory that one compiler takes at its worst: template-heavy C++, and kernels of GPUs, of which
# each file is compiled for the host and for every architecture. Assumed, not measured.
JOB_BYTES: Final = 2 * GIB
GPU_JOB_BYTES: Final = 4 * GIB


# What a running server reads from its environment. CMake would take them as options without a
# word, and nobody would ever look at them.
RUN_TIME: Final = frozenset({
    "GGML_CUDA_ENABLE_UNIFIED_MEMORY",
    "GGML_CUDA_P2P",
    "GGML_VK_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "HSA_OVERRIDE_GFX_VERSION",
    "CUDA_VISIBLE_DEVICES",
})  # fmt: skip


class Flag(Struct, frozen=True):
    """One option of CMake, and why it has this value."""

    name: str
    value: str
    why: str

    @property
    def word(self) -> str:
        """As a word of CMake's command line."""
        return f"-D{self.name}={self.value}"


def flags(
    backend: Backend, build: int, recipe: BuildRecipe, architectures: tuple[str, ...] = ()
) -> tuple[Flag, ...]:
    """Every option for a backend, those of llm.toml last and in the place of llmgen's own."""
    own = (*_always(backend, build), *_portable(backend), *_of_backend(backend, architectures))
    kept = (item for item in own if item.name not in recipe.options)
    told = (Flag(name, value, "llm.toml wants it") for name, value in recipe.options.items())
    return (*kept, *told)


def findings(recipe: BuildRecipe) -> Iterator[Diagnostic]:
    """Options that would do nothing."""
    for name, value in recipe.options.items():
        if name in RUN_TIME:
            yield Diagnostic(
                "recipe.run-time",
                f"`{name}` is no option of CMake: the running server reads it from its environment",
                ("llama_cpp", "recipe", "options", name),
                hint=f'`environment = {{ {name} = "{value}" }}` in [hardware]',
            )


def architectures(recipe: BuildRecipe, architecture: str) -> tuple[str, ...]:
    """What GPUs are compiled for: as told, else the machine's own, else nothing is said."""
    return recipe.architectures or ((architecture,) if architecture else ())


def job_bytes(backend: Backend) -> int:
    """Memory that one compiler may need."""
    return GPU_JOB_BYTES if backend in ("cuda", "rocm") else JOB_BYTES


def jobs(recipe: BuildRecipe, backend: Backend, cores: int, free_bytes: int) -> int:
    """How many compilers run at a time; at least one."""
    return recipe.jobs or max(1, min(cores, free_bytes // job_bytes(backend)))


def _always(backend: Backend, build: int) -> Iterator[Flag]:
    origin = "@loader_path" if backend == "metal" else "$ORIGIN"
    yield Flag("CMAKE_BUILD_TYPE", "Release", "CMake's own default compiles without optimisation")
    yield Flag("CMAKE_BUILD_WITH_INSTALL_RPATH", "ON", "the programs move after they are linked")
    yield Flag("CMAKE_INSTALL_RPATH", origin, "libraries are looked for beside the programs")
    yield Flag("LLAMA_BUILD_NUMBER", str(build), "an archive has no history to count it in")
    yield Flag("LLAMA_BUILD_TESTS", "OFF", "nobody runs them here")
    yield Flag("LLAMA_BUILD_EXAMPLES", "ON", "llama-embedding is one; others are not compiled")
    yield Flag(
        "LLAMA_OPENSSL", "OFF", "models come by `llmgen pull`, and TLS is the gateway's business"
    )
    yield Flag(
        "LLAMA_USE_PREBUILT_UI", "OFF", "it would be downloaded, unchecked, while this compiles"
    )


def _portable(backend: Backend) -> Iterator[Flag]:
    """The host's own code: chosen when the program starts, except on a Mac."""
    if backend == "metal":
        yield Flag("GGML_NATIVE", "ON", "it is compiled on the machine that it is for")
        return
    yield Flag("GGML_NATIVE", "OFF", "it may run on another CPU than the one that compiles it")
    yield Flag("GGML_BACKEND_DL", "ON", "backends are libraries, loaded where a driver is there")
    yield Flag(
        "GGML_CPU_ALL_VARIANTS",
        "ON",
        "without GGML_NATIVE the CPU's best code is one of these, picked at start",
    )


def _of_backend(backend: Backend, architectures: tuple[str, ...]) -> Iterator[Flag]:
    listed = ";".join(architectures)
    match backend:
        case "cuda":
            yield Flag("GGML_CUDA", "ON", "NVIDIA's GPUs")
            if listed:
                yield Flag("CMAKE_CUDA_ARCHITECTURES", listed, "compute capability of these GPUs")
            yield Flag(
                "CMAKE_EXE_LINKER_FLAGS",
                "-Wl,--allow-shlib-undefined",
                "libcuda.so.1 comes with the driver, which is not there while this compiles",
            )
        case "rocm":
            yield Flag("GGML_HIP", "ON", "AMD's GPUs")
            if listed:
                yield Flag("GPU_TARGETS", listed, "the architecture of these GPUs")
        case "vulkan":
            yield Flag("GGML_VULKAN", "ON", "GPUs of any vendor")
        case "metal":
            yield Flag("GGML_METAL", "ON", "Apple's GPUs")
            yield Flag("GGML_METAL_EMBED_LIBRARY", "ON", "shaders are in the library, no file more")
        case "cpu":
            return
