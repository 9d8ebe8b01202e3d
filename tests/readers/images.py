"""An image with the readers' real programs, built once on this machine and read by every podman.

It stands for the published ones: llama-server and llama-swap below /app, Envoy in /usr/local/bin,
curl for health checks, sh and bash, an unprivileged user.
"""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import readers
from readers.podman import Podman, top

NAME = "localhost/llmgen-stack:test"
# Where each program is in the image, if this machine has it; the published images' places.
PROGRAMS = {
    "llama-server": "app/llama-server",
    "llama-gguf-split": "app/llama-gguf-split",
    "llama-fit-params": "app/llama-fit-params",
    "llama-bench": "app/llama-bench",
    "llama-batched-bench": "app/llama-batched-bench",
    "llama-swap": "app/llama-swap",
    "envoy": "usr/local/bin/envoy",
}
# Of the machine itself, under the names that they have there.
TOOLS = ("bash", "curl", "sha256sum")
APPLETS = (
    *("awk", "cat", "chmod", "cp", "date", "df", "du", "echo", "env", "false", "find", "grep"),
    *("head", "hostname", "httpd", "id", "kill", "ln", "ls", "mkdir", "nc", "printenv", "ps", "rm"),
    *("sed", "sh", "sleep", "sort", "stat", "tail", "test", "touch", "tr", "true", "uname", "wget"),
)
ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nllm:x:10001:10001:llm:/tmp:/bin/sh\n"
CONTAINERFILE = """\
FROM scratch
COPY root /
ENV PATH=/usr/local/bin:/usr/bin:/bin:/app
USER 10001:10001
"""


def store():
    """The folder of an image store that has the image; it is made when a program has changed."""
    programs = {place: found for name, place in PROGRAMS.items() if (found := binary(name))}
    place = readers.home().parent / "image-stores" / _key(programs)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "made").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            _build(place, programs)
            (place / "made").touch()
    return place / "storage"


def binary(name):
    """The reader's program itself: Envoy's is behind a script, which would need its own Python."""
    found = readers.find(name)
    if found is None or name != "envoy":
        return found
    behind = found.resolve().parents[1].glob("lib/python*/site-packages/envoy/_bin/envoy")
    return next(behind, found)


def _key(programs):
    words = [Path(__file__).read_text()]
    for place, program in sorted(programs.items()):
        seen = program.resolve().stat()
        words.append(f"{place} {program} {seen.st_size} {seen.st_mtime_ns}")
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def _build(place, programs):
    context = place / "context"
    root = context / "root"
    for name in ("bin", "etc", "app", "tmp", "root", "usr/bin", "usr/local/bin", "run", "var"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text(ACCOUNTS)
    (root / "etc/group").write_text("root:x:0:\nllm:x:10001:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    shutil.copy2(top() / "bin/busybox", root / "bin/busybox")
    for name in APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    for where, program in programs.items():
        _bring(program, root / where, root)
    for name in TOOLS:
        _bring(Path(shutil.which(name)), root / "usr/bin" / name, root)
    (root / "bin/bash").symlink_to("/usr/bin/bash")
    (context / "Containerfile").write_text(CONTAINERFILE)
    podman = Podman(place)
    try:
        podman.must("podman", "build", "--quiet", "--tag", NAME, context)
    finally:
        podman.end()
    shutil.rmtree(context)


def _bring(program, where, root):
    """A program with the libraries that it loads, each at the place where the loader looks."""
    shutil.copy2(program, where)
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        name, _, rest = line.strip().partition(" => ")
        found = Path((rest or name).split(" (")[0])
        if not found.is_absolute() or not found.exists():
            continue
        # The loader under its own name, own libraries beside the machine's.
        own = found if not rest else Path("/usr/lib") / found.parent.name / Path(name).name
        if rest and found.parent.name != _triplet():
            own = Path("/usr/lib") / _triplet() / Path(name).name
        target = root / str(own).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy2(found, target)


def _triplet():
    return next(Path("/usr/lib").glob("*-linux-gnu")).name
