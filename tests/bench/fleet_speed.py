"""How long `llmgen generate` takes for many machines, how much memory, and how much it writes.

Run it as ``python tests/bench/fleet_speed.py [--sizes 50x125,100x250,200x500] [--show]``: three
machines with Envoy and llama-swap on the others, which know nobody else's names (``doors``), and
all of them knowing all names (``all``). Each is a process of its own. Aims: 200 machines with 500
models in 10 s, and figures that grow with the number of models (``doors``) or with models times
machines (``all``, since each machine's files have all names).
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[2]
DOORS = 3
MIB = 2**20


def written(folder, hosts, models, routes):
    """An llm.toml of so many machines and models that share one locked file."""
    case = ROOT / "tests" / "cases" / "minimal"
    shutil.copy(case / "llm.lock", folder / "llm.lock")
    parts = ['edition = 2\n[paths]\nhome = "/home/llm"\n']
    for at in range(hosts):
        table = f"""[hosts.h{at:03}]
address = "10.0.{at // 250}.{at % 250 + 1}"
key = {{ env = "KEY_{at}" }}
hardware = {{ os = "linux", backend = "cuda", memory = "64GiB", devices = [{{ memory = "24GiB" }}] }}
"""
        if at < DOORS:
            table += "gateway.envoy.enable = true\n"
        elif not routes:
            table += "routes = false\n"
        parts.append(table)
    for at in range(models):
        context = 4096 + 256 * (at % 64)
        host = f'host = "h{at % hosts:03}"\n'
        name = 'model = "Qwen3-8B-Q4_K_M.gguf"'
        parts.append(f"[models.m{at:03}]\n{name}\nctx_size = {context}\n{host}")
    (folder / "llm.toml").write_text("".join(parts))
    return folder / "llm.toml"


def run(words):
    """(wall seconds, CPU seconds, MiB at most) of one process."""
    begin = perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out = process.stdout.read()
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said.decode())
    unit = 1 if sys.platform == "darwin" else 1024
    wall = perf_counter() - begin
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / MIB, len(out.splitlines())


def size_of(folder):
    """MiB of all files below it, and how many they are."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files) / MIB, len(files)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="50x125,100x250,200x500")
    parser.add_argument("--show", action="store_true", help="how long `show` takes, and its lines")
    given = parser.parse_args()
    sizes = [tuple(map(int, size.split("x"))) for size in given.sizes.split(",")]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(f"{'':5} {'hosts':>5} {'models':>6} {'wall':>7} {'CPU':>7} {'memory':>9} {'output':>20}")
    for routes in (False, True):
        for hosts, models in sizes:
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                llm_toml = written(folder, hosts, models, routes)
                words = [sys.executable, "-m", "llmgen", "-c", llm_toml]
                wall, cpu, memory, _ = run([*words, "generate", "-o", folder / "out"])
                output, files = size_of(folder / "out")
                print(
                    f"{'all' if routes else 'doors':5} {hosts:5} {models:6} {wall:6.1f}s {cpu:6.1f}s "
                    f"{memory:5.0f} MiB {output:6.1f} MiB in {files:5}",
                    flush=True,
                )
                if given.show:
                    wall, cpu, memory, lines = run([*words, "show"])
                    print(f"{'show':5} {wall:20.1f}s {cpu:6.1f}s {memory:5.0f} MiB {lines:6} lines")


if __name__ == "__main__":
    main()
