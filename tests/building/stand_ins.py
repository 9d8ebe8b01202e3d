"""Stand-ins for CMake, podman and llama.cpp's source: they do in seconds what takes minutes."""

import json
import os
import tarfile
from pathlib import Path

# Writes the programs that it was asked for, as shell scripts; what it was asked is kept.
CMAKE = """#!/bin/sh
echo "$@" >> "$STAND_IN_LOG"
if [ "$1" = --build ]; then
    folder=$2
    mkdir -p "$folder/bin"
    echo "[1/3] Building CXX object one.o"
    [ -n "$STAND_IN_FAILS" ] && { echo "one.cpp:1: error: no such thing"; exit 1; }
    [ -n "$STAND_IN_KILLED" ] && { echo "c++: fatal error: Killed signal terminated program cc1plus"; exit 1; }
    touch "$folder/one.o"
    if [ -n "$STAND_IN_WAITS" ] && [ ! -e "$STAND_IN_WAITS.done" ]; then
        touch "$STAND_IN_WAITS"
        sleep 300 & echo $! > "$STAND_IN_WAITS.child"
        wait
    fi
    while [ $# -gt 0 ] && [ "$1" != --target ]; do shift; done
    shift
    for name; do
        printf '#!/bin/sh\\necho "version: %s (stand-in)"\\n' "$STAND_IN_BUILD" > "$folder/bin/$name"
        chmod +x "$folder/bin/$name"
    done
    echo library > "$folder/bin/libggml.so.0"
    ln -sf libggml.so.0 "$folder/bin/libggml.so"
    echo "[3/3] Linking CXX executable bin/llama-server"
fi
"""
PODMAN = """#!/bin/sh
printf '%s\\n' "$@" > "$STAND_IN_LOG"
echo "STEP 1/2: FROM scratch"
"""


def tools(folder, **variables):
    """A folder for PATH, and what the stand-ins are told; ``cmake`` and ``podman`` are in it."""
    folder.mkdir()
    for name, text in {"cmake": CMAKE, "podman": PODMAN, "docker": PODMAN}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return {
        "PATH": f"{folder}:/usr/bin:/bin",
        "STAND_IN_LOG": str(folder / "log"),
        "STAND_IN_BUILD": "11434",
        "STAND_IN_FAILS": "",
        "STAND_IN_KILLED": "",
        "STAND_IN_WAITS": "",
        **{name: str(value) for name, value in variables.items()},
    }


def source(folder, name="llama.cpp-b11434"):
    """A tree that looks like llama.cpp's."""
    root = folder / name
    for mark in ("ggml", "tools/server"):
        (root / mark).mkdir(parents=True)
    (root / "CMakeLists.txt").write_text("# stand-in\n")
    (root / "ggml/CMakeLists.txt").write_text("# stand-in\n")
    return root


def archive(folder):
    """The same, packed."""
    root = source(folder / "tree")
    path = folder / "llama.cpp.tar.gz"
    with tarfile.open(path, "w:gz") as out:
        out.add(root, root.name)
    return path


def stack(folder, more=""):
    """An llm.toml without models, which builds for a CPU."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "llm.toml").write_text(
        'edition = 2\n[hardware]\nos = "linux"\nbackend = "cpu"\nmemory = "16GiB"\n'
        f"[paths]\nhome = {json.dumps(str(folder))}\nprefix = {json.dumps(str(folder / 'prefix'))}\n"
        + more
    )
    return folder / "llm.toml"


def tree(folder):
    """Every file and link below a folder, as text."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_symlink() or path.is_file()
    }
