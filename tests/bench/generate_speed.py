"""How long a cold `llmgen generate` takes, beside a Python that only imports what llmgen needs.

Run it as ``python tests/bench/generate_speed.py [--runs N]``. Both are processes of their own,
started in turn; the quickest of each is compared, since everything else is the machine's noise.
Aims: at most twice the bare imports for the repository's stack, at most 3 s for 1,000 models.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = [sys.executable, "-c", "import click, pydantic, jinja2, yaml"]
MODELS = 1000


def seconds(words, output=None):
    """Wall time of one process; what it wrote before is removed first."""
    if output is not None:
        shutil.rmtree(output, ignore_errors=True)
    begin = perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    taken = perf_counter() - begin
    if done.returncode:
        raise SystemExit(done.stderr)
    return taken


def generate(llm_toml, output):
    """The words of one generate."""
    return [sys.executable, "-m", "llmgen", "-c", llm_toml, "generate", "-o", output]


def many(folder):
    """An llm.toml of 1,000 models that share one locked file."""
    case = ROOT / "tests" / "cases" / "minimal"
    head, _, _ = (case / "llm.toml").read_text("utf-8").partition("[models")
    shutil.copy(case / "llm.lock", folder / "llm.lock")
    models = [
        f'[models.m{index}]\nmodel = "Qwen3-8B-Q4_K_M.gguf"\nctx_size = {4096 + 256 * (index % 64)}\n'
        for index in range(MODELS)
    ]
    (folder / "llm.toml").write_text(head + "".join(models))
    return folder / "llm.toml"


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="runs of each, in turn")
    runs = parser.parse_args().runs
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        stack = generate(ROOT / "llm.toml", folder / "stack")
        large = generate(many(folder), folder / "large")
        pairs = [(seconds(IMPORTS), seconds(stack, folder / "stack")) for _ in range(runs)]
        thousand = min(seconds(large, folder / "large") for _ in range(max(2, runs // 4)))
    bare, cold = (min(times) for times in zip(*pairs, strict=True))
    print(f"{'imports alone':28} {bare * 1000:7.0f} ms")
    print(f"{'generate, this repository':28} {cold * 1000:7.0f} ms  {cold / bare:.2f} times")
    print(f"{f'generate, {MODELS} models':28} {thousand * 1000:7.0f} ms")


if __name__ == "__main__":
    main()
