"""How long `llmgen generate` takes for a cluster, how much memory, and how much it writes.

Run it as ``python tests/bench/cluster_speed.py [--sizes 250x25,500x50,1000x100]``: so many models
over so many nodes in pools of ten, each pool with eight cards of 24 GiB a node, half of the models
always on (by turns one and two pods), half loaded by the llama-swap of their pool, Envoy before
all. Each is a process of its own. Aims: 1,000 models over 100 nodes in 10 s, and objects whose size
grows with the number of models.
"""

import argparse
import resource
import shutil
import sys
import tempfile
from pathlib import Path

from fleet_speed import ROOT, run, size_of

NODES = 10


def written(folder, models, nodes):
    """An llm.toml of so many models and nodes that share one locked file."""
    case = ROOT / "tests" / "cases" / "minimal"
    shutil.copy(case / "llm.lock", folder / "llm.lock")
    pools = max(1, nodes // NODES)
    parts = [
        'edition = 2\n[paths]\nhome = "/home/llm"\n[hardware]\nos = "linux"\nbackend = "cuda"\n'
        'memory = "512GiB"\ndevices = ['
        + ", ".join(['{ memory = "24GiB" }'] * 8)
        + ']\n[gateway.envoy]\nenable = true\n[kubernetes]\nnamespace = "llm"\n'
    ]
    parts += [f"[kubernetes.pools.p{at:02}]\ncount = {nodes // pools}\n" for at in range(pools)]
    for at in range(models):
        context = 4096 + 256 * (at % 64)
        turn = at // pools
        keep = "always" if turn % 2 else "on_demand"
        copies = f"hosts = {1 + turn // 2 % 2}\n" if turn % 2 else ""
        parts.append(
            f'[models.m{at:04}]\nmodel = "Qwen3-8B-Q4_K_M.gguf"\nctx_size = {context}\n'
            f'keep = "{keep}"\npool = "p{at % pools:02}"\n{copies}'
        )
    (folder / "llm.toml").write_text("".join(parts))
    return folder / "llm.toml"


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="250x25,500x50,1000x100")
    given = parser.parse_args()
    sizes = [tuple(map(int, size.split("x"))) for size in given.sizes.split(",")]
    print(f"{'models':>6} {'nodes':>5} {'wall':>7} {'CPU':>7} {'memory':>9} {'output':>20}")
    for models, nodes in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = written(folder, models, nodes)
            words = [sys.executable, "-m", "llmgen", "-c", str(path), "generate"]
            wall, cpu, memory, _ = run([*words, "-o", str(folder / "out")])
            size, files = size_of(folder / "out")
            print(
                f"{models:6} {nodes:5} {wall:6.1f}s {cpu:6.1f}s {memory:6.0f}MiB "
                f"{size:8.1f}MiB in {files:5}"
            )


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
