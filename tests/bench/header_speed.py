"""Reading a header with a vocabulary: llmgen against gguf.GGUFReader, the same file, one run.

Run it as ``python tests/bench/header_speed.py [--tokens N] [FILE …]``. Without files it writes one
of a published shape: Qwen3-30B-A3B's 151,936 tokens and 151,387 merges, 48 layers.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import gguf
from gguf_writer import Typed, llama, write_gguf

from llmgen.facts.local import read_model

# Lengths of pieces in byte-pair vocabularies are spread about like this: 6 bytes on average,
# a few far longer (runs of spaces, identifiers).
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def vocabulary(tokens: int, merges: int) -> dict[str, object]:
    """Made-up tokens and merges of a byte-pair vocabulary."""
    source = random.Random(1)

    def piece() -> str:
        length = min(128, max(1, int(source.lognormvariate(1.8, 0.55))))
        return "".join(source.choices(_LETTERS, k=length))

    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": [piece() for _ in range(tokens)],
        "tokenizer.ggml.token_type": Typed("i32", [1] * tokens),
        "tokenizer.ggml.merges": [f"{piece()} {piece()}" for _ in range(merges)],
    }


def write_model(folder: Path, tokens: int) -> Path:
    """A header of a 48-layer model with that vocabulary, its data a hole."""
    metadata, tensors = llama(architecture="qwen3", layers=48, vocabulary_size=tokens)
    metadata.pop("tokenizer.ggml.scores")
    metadata.update(vocabulary(tokens, tokens - 549))
    return write_gguf(folder / f"vocabulary-{tokens}.gguf", metadata, tensors)


def best(call, times: int) -> tuple[float, float]:
    """Best and median seconds of ``times`` calls."""
    taken = []
    for _ in range(times):
        begin = perf_counter()
        call()
        taken.append(perf_counter() - begin)
    return min(taken), median(taken)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=151_936)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    print(
        f"{'file':34}{'llmgen ms':>11}{'(median)':>10}{'gguf-py ms':>12}{'(median)':>10}{'ratio':>8}"
    )
    with tempfile.TemporaryDirectory() as folder:
        files = options.files or [
            write_model(Path(folder), options.tokens),
            write_model(Path(folder), 1000),
        ]
        for path in files:
            ours = best(lambda path=path: read_model(path), options.times * 4)
            theirs = best(lambda path=path: gguf.GGUFReader(path), options.times)
            cells = "".join(
                f"{value * 1e3:{width}.1f}"
                for value, width in zip((*ours, *theirs), (11, 10, 12, 10), strict=True)
            )
            print(f"{path.name[:33]:34}{cells}{theirs[0] / ours[0]:7.0f}x")


if __name__ == "__main__":
    main()
