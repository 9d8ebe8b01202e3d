"""Models with a nextn block that drafts for them, of random small shapes, and what the real server says of both contexts.

``python -m oracle.nextn_blocks FIRST LAST [ARCHITECTURE…]`` (from ``tests/``) asks for a model of each architecture and seed
in between, and prints those of which our figures differ, then how many are equal.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gguf_writer import vocabulary, write_gguf

from llmgen.budget.context import Context
from llmgen.budget.settings import DraftSettings, ServerSettings, SettingRefused
from oracle import build as builds
from oracle.drafted_pair import Pair
from oracle.drafters import BUILD, ROUNDED_MIB, computed, contexts_of, ours_mib, reported_mib
from oracle.draw_files import draw_file
from oracle.draws import DRAFTING
from oracle.headers import metadata
from oracle.runner import Oracle
from oracle.shapes import Shape

# Values of shapes that a processor runs in a moment.
MOST = {
    "block_count": 5,
    "embedding_length": 1024,
    "attention.key_length": 1024,
    "expert_count": 16,
    "expert_feed_forward_length": 512,
    "attention.q_lora_rank": 512,
    "ssm.inner_size": 2048,
}
MOST_WORDS = 33000
# Buffers of caches and states that a server tells of, each rounded, are at most so many.
LINES = 8
_ENDS = r"GGML_ASSERT|what\(\):| E |: failed"
_HELD = re.compile(r"(?:KV|RS|state) buffer size = +([\d.]+) MiB")


def is_small(shape: Shape) -> bool:
    """Whether a shape has a nextn block that can draft, and the server runs it quickly."""
    values = shape.values
    few = all(_most(values.get(key)) <= most for key, most in MOST.items())
    trunk = _most(values.get("block_count")) - _most(values.get("nextn_predict_layers"))
    routed = _most(values.get("leading_dense_block_count")) <= trunk
    turned = sum(values.get("rope.dimension_sections", ())) <= _most(values["rope.dimension_count"])
    attends = _most(values.get("full_attention_interval")) <= trunk
    # Qwen4 ends where layers of one context read pools and those of the other do not.
    pools = (
        set(values.get("attention.compress_ratios", ()))
        if "hyper_connection.low_rank" in values
        else ()
    )
    alike = len(pools) < 2
    drafts = bool(values.get("nextn_predict_layers")) and routed and turned and attends and alike
    return drafts and few and shape.vocabulary <= MOST_WORDS


def _most(value: object) -> int:
    return max(map(int, value)) if isinstance(value, list) else int(str(value or 0))


def drawn(seed: int, name: str, oracle: Oracle, folder: Path) -> Pair:
    """The model of a seed, a file with a vocabulary and zeros for weights, and how a server runs it."""
    source = random.Random(f"{seed} {name}")
    shape, tensors = draw_file(source, oracle, name, folder, is_small)
    words = {**metadata(shape), **vocabulary(shape.vocabulary)}
    path = write_gguf(folder / "whole" / "model.gguf", words, tensors)
    while True:
        alone = Pair(path, None, settings(source))
        with suppress(SettingRefused):
            contexts_of(alone)
            return alone


def settings(source: random.Random) -> ServerSettings:
    """Random options of a server without devices."""
    flash = source.choice(("on", "off"))
    kind, own = (source.choice(("f16", "q8_0")) if flash == "on" else "f16" for _ in range(2))
    return ServerSettings(
        ctx_size=source.choice((1024, 2048, 4096)),
        ubatch_size=source.choice((64, 128, 512)),
        parallel=source.choice((1, 2, 4)),
        flash_attn=flash,
        cache_type_k=kind,
        cache_type_v=kind,
        devices=(),
        draft=DraftSettings(
            "draft-mtp", n_max=source.choice((1, 3, 5)), cache_type_k=own, cache_type_v=own
        ),
    )


def held_mib(found: list[Context]) -> float:
    """Caches and states of both contexts."""
    return sum(share.bytes_total for context in found for share in context.shares) / 2**20


def reported_held_mib(said: list[str]) -> float:
    """The same, as the server says it buffer by buffer."""
    return sum(float(found[1]) for line in said if (found := _HELD.search(line)))


def main() -> None:
    """Ask, and count."""
    asked, equal = Counter[str](), Counter[str]()
    first, last, *names = sys.argv[1:]
    with Oracle(builds.builds()[BUILD]) as oracle:
        for seed in range(int(first), int(last) + 1):
            for name in names or sorted(DRAFTING):
                with tempfile.TemporaryDirectory() as folder:
                    asked[name] += 1
                    equal[name] += _is_equal(seed, name, oracle, Path(folder))
    for name, count in asked.items():
        print(f"{name}: {equal[name]} of {count} equal")


def _is_equal(seed: int, name: str, oracle: Oracle, folder: Path) -> bool:
    alone = drawn(seed, name, oracle, folder)
    found = contexts_of(alone)
    made, said = computed(found), list[str]()
    try:
        theirs = reported_mib(alone, said)
    except (AssertionError, OSError, HTTPException):  # the server ended
        print(name, seed, "ends", *[line for line in said if re.search(_ENDS, line)][-5:])
        return False
    ours, held, told = ours_mib(made), held_mib(found), reported_held_mib(said)
    guessed = [item.guessed for item in made]
    same = all(abs(a - b) <= ROUNDED_MIB for a, b in zip(ours, theirs, strict=True))
    if not same or abs(held - told) > LINES * ROUNDED_MIB or any(guessed):
        print(name, seed, ours, theirs, "held", held, told, guessed, alone.settings)
    return same and abs(held - told) <= LINES * ROUNDED_MIB


if __name__ == "__main__":
    main()
