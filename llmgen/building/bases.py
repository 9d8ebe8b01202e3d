"""Images that llama.cpp is compiled in and runs from: one row for each backend."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmgen.config.tables.hardware import Backend
from llmgen.config.tables.recipe import BuildRecipe

# What every image is compiled with, beside its compiler.
_TOOLS: Final = ("ca-certificates", "ccache", "cmake", "curl", "ninja-build")
# OpenMP for the CPU's kernels; curl asks after the server's health.
_AT_RUN: Final = ("ca-certificates", "curl", "libgomp1")
# CUDA 12.8 is what llama.cpp's own images are compiled with; the first release of 13 that knows
# compute capability 12.1 runs under the drivers that a DGX Spark comes with.
_CUDA: Final = {"12": "12.8.1", "13": "13.0.1"}


class Base(Struct, frozen=True):
    """Both images, their packages (Debian's and Ubuntu's names), the compilers' programs.

    ``before`` are assignments of the shell in front of CMake.
    """

    build_image: str
    runtime_image: str
    packages: tuple[str, ...]
    runtime_packages: tuple[str, ...] = _AT_RUN
    compiler: str = "14"
    before: str = ""

    @property
    def programs(self) -> tuple[str, ...]:
        """What an image has to have, so that nothing is installed into it."""
        return ("ccache", "cmake", "curl", "ninja", self.cxx)

    @property
    def cc(self) -> str:
        """The C compiler."""
        return f"gcc-{self.compiler}" if self.compiler else "gcc"

    @property
    def cxx(self) -> str:
        """The C++ compiler."""
        return f"g++-{self.compiler}" if self.compiler else "g++"


def base(backend: Backend, toolkit: str, recipe: BuildRecipe) -> Base:
    """What a backend is built on; images of llm.toml are taken in the place of llmgen's."""
    found = _base(backend, toolkit)
    return Base(
        recipe.build_image or found.build_image,
        recipe.runtime_image or found.runtime_image,
        tuple(sorted({*found.packages, *_TOOLS, found.cxx})),
        tuple(sorted({*found.runtime_packages, *_AT_RUN})),
        found.compiler,
        found.before,
    )


def _base(backend: Backend, toolkit: str) -> Base:
    match backend:
        case "cuda":
            name = f"docker.io/nvidia/cuda:{_CUDA[toolkit.partition('.')[0] or '12']}"
            return Base(f"{name}-devel-ubuntu24.04", f"{name}-runtime-ubuntu24.04", ())
        case "rocm":
            # AMD has no smaller image with rocBLAS in it.
            name = "docker.io/rocm/dev-ubuntu-24.04:7.2.1-complete"
            before = 'HIPCXX="$(hipconfig -l)/clang" HIP_PATH="$(hipconfig -R)" '
            return Base(name, name, (), compiler="", before=before)
        case "vulkan":
            # Older releases' shader compilers do not know all extensions that llama.cpp uses.
            name = "docker.io/ubuntu:26.04"
            packages = ("glslc", "libvulkan-dev", "spirv-headers")
            drivers = ("libvulkan1", "mesa-vulkan-drivers")
            return Base(name, name, packages, drivers, compiler="")
        case "cpu" | "metal":
            return Base("docker.io/ubuntu:24.04", "docker.io/ubuntu:24.04", ())
