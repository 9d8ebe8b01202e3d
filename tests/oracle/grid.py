"""The settings with which the oracle is asked, and what asking all of them writes down.

``python -m oracle.grid BUILD…`` (from ``tests/``) measures and records; ``data/answers-bBUILD.json.xz``
is read by ``recorded``.
"""

from __future__ import annotations

import json
import lzma
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from llmgen.budget.settings import DraftSettings, ServerSettings
from oracle import build as builds
from oracle.headers import DATA, write_header
from oracle.runner import Answer, Oracle
from oracle.shapes import SHAPES, SMALL_SHAPES

Setting = dict[str, object]
WHOLE = 11434

ONE: tuple[Setting, ...] = (
    {"ctx_size": 4096, "parallel": 1},
    {"ctx_size": 0},
    {"ctx_size": 0, "parallel": 3},
    {"ctx_size": 32768},
    {"ctx_size": 131072, "parallel": 1},
    {"ctx_size": 40000, "parallel": 3},
    {"ctx_size": 32768, "parallel": 4, "kv_unified": True},
    {"ctx_size": 32768, "parallel": 4},
    {"ctx_size": 100, "parallel": 1},
    {"ctx_size": 1000, "parallel": 7},
    {"ctx_size": 65536, "parallel": 16, "kv_unified": True},
    {"ctx_size": 20000, "parallel": 2, "cache_type_k": "q8_0", "cache_type_v": "q8_0"},
    {"ctx_size": 20000, "parallel": 2, "cache_type_k": "q4_0", "cache_type_v": "q4_0"},
    {"ctx_size": 20000, "parallel": 2, "cache_type_k": "q8_0", "cache_type_v": "f16"},
    {"ctx_size": 20000, "parallel": 2, "cache_type_k": "q8_0", "cache_type_v": "q5_1"},
    {"ctx_size": 20000, "parallel": 2, "cache_type_k": "f32", "cache_type_v": "f32"},
    {"ctx_size": 20000, "parallel": 2, "cache_type_k": "iq4_nl", "cache_type_v": "q4_1"},
    {"ctx_size": 20000, "parallel": 2, "cache_type_k": "bf16", "cache_type_v": "q5_0"},
    {"ctx_size": 16384, "parallel": 1, "ubatch_size": 256},
    {"ctx_size": 16384, "parallel": 1, "ubatch_size": 2048},
    {"ctx_size": 16384, "parallel": 1, "batch_size": 1024, "ubatch_size": 1024},
    {"ctx_size": 16384, "parallel": 8, "batch_size": 128},
    {"ctx_size": 65536, "parallel": 4, "kv_unified": True, "batch_size": 4096, "ubatch_size": 4096},
    {"ctx_size": 24000, "parallel": 1, "swa_full": True},
    {"ctx_size": 24000, "parallel": 2, "kv_unified": True, "swa_full": True},
    {"ctx_size": 8192, "parallel": 1, "flash_attn": "off"},
    {"ctx_size": 8192, "parallel": 4, "flash_attn": "off", "ubatch_size": 1024},
    {"ctx_size": 8192, "parallel": 2, "flash_attn": "off", "cache_type_k": "q8_0"},
    {"ctx_size": 8192, "parallel": 2, "flash_attn": "off", "cache_type_v": "q8_0"},
    {"ctx_size": 8192, "parallel": 2, "flash_attn": "on"},
    {"ctx_size": 8192, "parallel": 2, "kv_offload": False},
    {"ctx_size": 8192, "parallel": 2, "n_gpu_layers": 0},
    {"ctx_size": 8192, "parallel": 2, "n_gpu_layers": 1},
    {"ctx_size": 8192, "parallel": 2, "n_gpu_layers": 9},
    {"ctx_size": 8192, "parallel": 2, "n_gpu_layers": 999},
    {"ctx_size": 8192, "parallel": 2, "n_cpu_moe": 3},
    {"ctx_size": 8192, "parallel": 2, "n_cpu_moe": 128},
    {"ctx_size": 32768, "parallel": 1, "n_cpu_moe": 128, "ubatch_size": 2048},
    {"ctx_size": 8192, "parallel": 2, "override_tensor": ((r"blk\.[0-4]\.ffn_(up|down)", "CPU"),)},
    {"ctx_size": 8192, "parallel": 1, "embedding": True},
    {"ctx_size": 8192, "parallel": 4, "embedding": True, "ubatch_size": 2048},
    {"ctx_size": 8192, "parallel": 2, "embedding": True, "pooling": "mean"},
    {"ctx_size": 8192, "parallel": 2, "embedding": True, "pooling": "last"},
    {"ctx_size": 8192, "parallel": 2, "embedding": True, "pooling": "cls", "flash_attn": "off"},
    {"ctx_size": 8192, "parallel": 2, "embedding": True, "pooling": "rank"},
    {"ctx_size": 8192, "parallel": 2, "pooling": "none"},
    {"ctx_size": 8192, "parallel": 2, "draft": {"spec_type": "draft-mtp", "n_max": 3}},
)  # fmt: skip
NONE: tuple[Setting, ...] = (
    {"ctx_size": 4096, "parallel": 1, "devices": ()},
    {"ctx_size": 0, "devices": ()},
    {"ctx_size": 40000, "parallel": 3, "devices": ()},
    {"ctx_size": 32768, "parallel": 4, "kv_unified": True, "devices": ()},
    {
        "ctx_size": 20000,
        "parallel": 2,
        "cache_type_k": "q8_0",
        "cache_type_v": "q8_0",
        "devices": (),
    },
    {"ctx_size": 16384, "parallel": 1, "ubatch_size": 2048, "devices": ()},
    {"ctx_size": 24000, "parallel": 1, "swa_full": True, "devices": ()},
    {"ctx_size": 8192, "parallel": 1, "flash_attn": "off", "devices": ()},
    {"ctx_size": 8192, "parallel": 2, "embedding": True, "devices": ()},
    {"ctx_size": 131072, "parallel": 1, "devices": ()},
)
PAIR = ("gpu0", "gpu1")
TWO: tuple[Setting, ...] = (
    {"ctx_size": 8192, "parallel": 1, "devices": PAIR},
    {"ctx_size": 65536, "parallel": 4, "kv_unified": True, "devices": PAIR},
    {"ctx_size": 20000, "parallel": 3, "devices": PAIR, "tensor_split": (3.0, 1.0)},
    {
        "ctx_size": 20000,
        "parallel": 2,
        "cache_type_k": "q8_0",
        "cache_type_v": "q8_0",
        "devices": PAIR,
    },
    {"ctx_size": 8192, "parallel": 1, "ubatch_size": 2048, "devices": PAIR},
    {"ctx_size": 8192, "parallel": 1, "flash_attn": "off", "devices": PAIR},
    {"ctx_size": 8192, "parallel": 2, "n_gpu_layers": 7, "devices": PAIR},
    {"ctx_size": 8192, "parallel": 2, "n_cpu_moe": 3, "devices": PAIR, "tensor_split": (1.0, 2.0)},
    {"ctx_size": 8192, "parallel": 2, "kv_offload": False, "devices": PAIR},
    {"ctx_size": 8192, "parallel": 2, "embedding": True, "devices": PAIR},
)
SETTINGS = (*ONE, *NONE, *TWO)
# What is asked of the builds beside the newest: each kind of setting once, where there are devices.
PART = (
    tuple(SETTINGS[i] for i in (0, 1, 3, 5, 6, 11, 13, 19, 23, 25, 30, 33, 36, 39, 40, 43, 46))
    + NONE[:8]
    + TWO[:3]
)
PART_OF_HOST = (
    tuple({**setting, "devices": ()} for setting in PART if setting not in (*NONE, *TWO)) + NONE
)


@dataclass(frozen=True)
class Point:
    """One question and its answer: bytes, or the reason of a refusal."""

    build: int
    model: str
    settings: ServerSettings
    answer: Answer


def server_settings(setting: Setting) -> ServerSettings:
    """The settings with everything that ``setting`` leaves out at the server's default."""
    # Nothing is mapped where nothing is allocated: gemma3n and gemma4 then hold a tied embedding twice.
    values = {"load_mode": "none", **setting}
    if draft := values.pop("draft", None):
        # No sampler is there yet where llama-fit-params measures.
        values["draft"] = DraftSettings(**draft, backend_sampling=False)  # type: ignore[arg-type]
    for key in ("devices", "tensor_split"):
        if key in values:
            values[key] = tuple(values[key])  # type: ignore[arg-type]
    if "override_tensor" in values:
        values["override_tensor"] = tuple(tuple(pair) for pair in values["override_tensor"])  # type: ignore[attr-defined]
    return ServerSettings(**values)  # type: ignore[arg-type]


def settings_for(number: int) -> tuple[Setting, ...]:
    """The whole grid at the newest compiled build, a part of it at the others."""
    if number == WHOLE:
        return SETTINGS
    part = PART if builds.builds()[number].has_devices else PART_OF_HOST
    return tuple(setting for setting in part if is_known(setting, number))


def is_known(setting: Setting, number: int) -> bool:
    """Whether a build can show it: every MTP head has a cache of its own since b10909, and RPC devices
    claim the events that pipeline parallelism needs in b11327, not yet in b9464."""
    if "draft" in setting:
        return number >= 10909
    return number >= 11327 or len(setting.get("devices", ("gpu0",))) < 2  # type: ignore[arg-type]


def is_for(setting: Setting, name: str) -> bool:
    """Settings that say nothing about a model are left out: an MTP head where there is none."""
    return "draft" not in setting or name in ("qwen3.6-27b-mtp", "glm-4.5-air", "glm-4.6")


def write_models(folder: Path) -> dict[str, Path]:
    """Every published shape and every architecture's fixture as a sparse file."""
    with tarfile.open(DATA / "fixtures.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    files = {f"fixture/{path.stem}": path for path in sorted(folder.glob("*.gguf"))}
    sizes = json.loads((folder / "sizes.json").read_text())
    for path in files.values():
        os.truncate(path, sizes[path.stem])
    files |= {
        f"fixture/{name}": write_header(folder / f"{name}.gguf", name) for name in SMALL_SHAPES
    }
    published = {name: write_header(folder / f"{name}.gguf", name) for name in SHAPES}
    return published | files


def measure(number: int, settings: tuple[Setting, ...], models: dict[str, Path]) -> Iterator[Point]:
    """Ask one build about every model with every setting."""
    build = builds.builds()[number]
    with Oracle(build, devices=2 if build.has_devices else 0) as oracle:
        for name, path in models.items():
            for setting in settings:
                if is_for(setting, name):
                    asked = server_settings(setting)
                    yield Point(number, name, asked, oracle.ask(path, asked))


def record(number: int, settings: tuple[Setting, ...], models: dict[str, Path]) -> Path:
    """Measure and write down; an answer's line is [setting, n_ctx, n_ctx_seq, memory] or [setting, reason]."""
    asked = {server_settings(setting): i for i, setting in enumerate(settings)}
    answers: dict[str, list[object]] = {}
    for point in measure(number, settings, models):
        answers.setdefault(point.model, []).append(_line(asked[point.settings], point.answer))
    answers = {model: lines for model, lines in answers.items() if not _never_loads(lines)}
    path = DATA / f"answers-b{number}.json.xz"
    text = json.dumps(
        {"build": number, "settings": settings, "answers": answers}, separators=(",", ":")
    )
    path.write_bytes(lzma.compress(text.encode(), preset=9))
    return path


def _never_loads(lines: list[object]) -> bool:
    """Whether the build cannot load the file at all: an architecture that is newer than it."""
    return all(len(line) == 2 and str(line[1]).startswith("llama_model_load:") for line in lines)  # type: ignore[arg-type,index]


def _line(index: int, answer: Answer) -> list[object]:
    if "refused" in answer:
        return [index, answer["refused"]]
    return [index, answer["n_ctx"], answer["n_ctx_seq"], answer["memory"]]


def recorded(path: Path) -> Iterator[Point]:
    """The points of one answers file."""
    data = json.loads(lzma.decompress(path.read_bytes()))
    settings = [server_settings(setting) for setting in data["settings"]]
    for model, lines in data["answers"].items():
        for index, *rest in lines:
            if len(rest) == 1:
                yield Point(data["build"], model, settings[index], {"refused": rest[0]})
            else:
                answer = dict(zip(("n_ctx", "n_ctx_seq", "memory"), rest, strict=True))
                yield Point(data["build"], model, settings[index], answer)


def main() -> None:
    """Record the builds that the command line names."""
    numbers = [int(word) for word in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        models = write_models(Path(folder))
        for number in numbers:
            print(record(number, settings_for(number), models), flush=True)


if __name__ == "__main__":
    main()
