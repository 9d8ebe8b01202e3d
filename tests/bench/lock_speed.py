"""Reading a lock of many models: ``python tests/bench/lock_speed.py [--models N]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from making import facts

from llmgen.facts.gguf_facts import TensorGroup
from llmgen.facts.lock import Entry, Lock, parse_lock, render_lock


def many(count: int) -> Lock:
    """Models of 48 layers with 40 groups of tensors each, as a mixture of quants has."""
    entries = {}
    for number in range(count):
        plain = facts(f"m{number}.gguf", layers=48)
        groups = [
            TensorGroup(
                f"blk.#.more_{i}.weight",
                "f16",
                (256, 64 + number),
                tuple(range(i, 48, 3)),
                512 * (64 + number),
            )
            for i in range(28)
        ]
        entries[f"file:m{number}.gguf"] = Entry(replace(plain, tensors=(*plain.tensors, *groups)))
    return Lock(entries)


def main() -> None:
    """Print size and times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    lock = many(parser.parse_args().models)
    begin = perf_counter()
    text = render_lock(lock)
    rendered = perf_counter()
    again = parse_lock(text, "llm.lock")
    parsed = perf_counter()
    print(f"{len(lock.entries)} models, {len(text) / 2**20:.1f} MiB")
    print(f"render {(rendered - begin) * 1e3:.0f} ms, parse {(parsed - rendered) * 1e3:.0f} ms")
    if again.facts.keys() != lock.facts.keys():
        sys.exit("not the same models")


if __name__ == "__main__":
    main()
