"""What llama-server takes on a CUDA card, by its own log and by nvidia-smi, beside llmgen's plan.

``python -m oracle.cuda SERVER BUILD MODELS OUT`` (from ``tests/``; ``tools/measure_cuda.sh`` runs it) writes one file below OUT.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from llmgen.budget.beside.backend import backend_overhead
from llmgen.budget.estimate import estimate
from llmgen.budget.memory import Estimate
from llmgen.facts.local import read_model
from llmgen.units import MIB
from oracle.grid import server_settings
from oracle.random_weights import write_random

PORT = 18093
START_S, ANSWER_S = 180, 120
# `CUDA0 compute buffer size = 304.00 MiB`, whatever function says it.
BUFFER = re.compile(r"(\S+)\s+(model|KV|RS|compute|output) buffer size\s*=\s*([\d.]+) MiB")
COLUMNS = {
    "model": "model",
    "KV": "context",
    "RS": "context",
    "compute": "compute",
    "output": "output",
}

# Model of SHAPES, settings: dense at two quantisations, long contexts, slots, experts on the host, latent attention.
CASES: tuple[tuple[str, dict[str, object]], ...] = (
    ("llama-3.1-8b", {"ctx_size": 8192, "parallel": 1}),
    ("llama-3.1-8b", {"ctx_size": 32768, "parallel": 2, "kv_unified": False}),
    (
        "llama-3.1-8b",
        {"ctx_size": 131072, "parallel": 1, "cache_type_k": "q8_0", "cache_type_v": "q8_0"},
    ),
    ("llama-3.1-8b", {"ctx_size": 8192, "parallel": 1, "ubatch_size": 2048}),
    ("llama-3.1-8b", {"ctx_size": 8192, "parallel": 1, "flash_attn": "off"}),
    ("qwen3-0.6b", {"ctx_size": 32768, "parallel": 2}),
    ("gpt-oss-20b", {"ctx_size": 32768, "parallel": 1, "n_cpu_moe": 999}),
    ("deepseek-v2-lite", {"ctx_size": 32768, "parallel": 1}),
)
OPTIONS = {
    "ctx_size": "--ctx-size", "parallel": "--parallel", "ubatch_size": "--ubatch-size", "flash_attn": "--flash-attn",
    "cache_type_k": "--cache-type-k", "cache_type_v": "--cache-type-v", "n_cpu_moe": "--n-cpu-moe",
}  # fmt: skip


def main() -> None:
    """Measure every case, and write what was seen."""
    server, build, models, out = (
        Path(sys.argv[1]),
        int(sys.argv[2]),
        Path(sys.argv[3]),
        Path(sys.argv[4]),
    )
    card, driver = _asked("--query-gpu=name,driver_version").split(", ")
    points = []
    for name, settings in CASES:
        path = models / f"{name}.gguf"
        if not path.exists():
            for other in models.glob("*.gguf"):
                other.unlink()
            write_random(path, name)
        points.append(point(server, path, settings, build))
        print(json.dumps(points[-1]), flush=True)
    target = out / f"cuda-b{build}-{re.sub(r'[^a-z0-9]+', '-', card.lower())}.json"
    found = {"card": card, "driver": driver, "build": build, "points": points}
    target.write_text(json.dumps(found, indent=1) + "\n")
    print(target)


def point(server: Path, path: Path, settings: dict[str, object], build: int) -> dict[str, object]:
    """One server: its buffers, its process on the card after a prompt, and what we say of it."""
    log = path.with_suffix(".log")
    with log.open("w") as file:
        words = [*command(server, path, settings), "--port", str(PORT)]
        process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT)
        try:
            _wait(process)
            _prompt(int(settings.get("ubatch_size", 512)))  # type: ignore[call-overload]
            held = process_mib(process.pid)
        finally:
            process.terminate()
            process.wait(30)
    made = estimate(read_model(path), server_settings(settings), build)
    return {
        "model": path.stem,
        "settings": settings,
        "log": buffers(log.read_text(errors="replace")),
        "process_mib": held,
        "plan": plan(made),
    }


def command(server: Path, path: Path, settings: dict[str, object]) -> list[str]:
    """The words of a server with these settings, everything on the first device."""
    words = [
        str(server),
        "--model",
        str(path),
        "--host",
        "127.0.0.1",
        "--n-gpu-layers",
        "999",
        "--fit",
        "off",
    ]
    words += ["--verbosity", "4"]  # trace: buffers are said from there on
    words += ["--no-kv-unified"] if settings.get("kv_unified") is False else []
    for key, option in OPTIONS.items():
        words += [option, str(settings[key])] if key in settings else []
    return words


def buffers(log: str) -> dict[str, dict[str, float]]:
    """MiB of each device and kind, summed; what the server tried and gave up is said once more."""
    found: dict[str, Counter[str]] = {}
    for device, kind, size in BUFFER.findall(log):
        column = COLUMNS[kind]
        kinds = found.setdefault(device, Counter())
        # Compute buffers are told again when they are reserved anew.
        kinds[column] = float(size) if column == "compute" else kinds[column] + float(size)
    return {device: dict(kinds) for device, kinds in found.items()}


def plan(made: Estimate) -> dict[str, dict[str, float]]:
    """Our figures in MiB, with the margin and what the backend takes for itself."""
    return {
        item.device: {
            "model": item.model / MIB,
            "context": item.context / MIB,
            "compute": item.compute / MIB,
            "margin": made.margin.get(item.device, 0) / MIB,
            "backend": backend_overhead("cpu" if item.device == "host" else "cuda") / MIB,
        }
        for item in made.memory
    }


def process_mib(pid: int) -> float | None:
    """What nvidia-smi says of a process; None where there is no card."""
    try:
        lines = _asked("--query-compute-apps=pid,used_memory").splitlines()
    except FileNotFoundError:
        return None
    sizes = [
        float(size) for found, size in (line.split(", ") for line in lines) if int(found) == pid
    ]
    return sum(sizes) if sizes else None


def _asked(*words: str) -> str:
    asked: Sequence[str] = ("nvidia-smi", *words, "--format=csv,noheader,nounits")
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def _wait(process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"llama-server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("llama-server did not start")


def _prompt(tokens: int) -> None:
    """A prompt of a whole micro-batch and a few tokens behind it, so that every pool has grown."""
    body = json.dumps({"prompt": [5 + i % 200 for i in range(tokens + 8)], "n_predict": 8}).encode()
    url = f"http://127.0.0.1:{PORT}/completion"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
        answer.read()


if __name__ == "__main__":
    main()
