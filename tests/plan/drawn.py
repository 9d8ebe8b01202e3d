"""Random llm.toml files of published models on random machines, and hints followed by hand.

``python tests/plan/drawn.py COUNT SEED`` follows every hint of so many of them.
"""

from __future__ import annotations

import json
import re
import sys
from random import Random

from published import machine, model, planned

from llmgen.errors import PlanError

CHAT = (
    "qwen3-8b", "phi-4", "gemma-3-12b", "gemma-3-27b", "llama-3.1-8b", "qwen3-14b", "qwen3-32b",
    "llama-3.3-70b", "mistral-small-3.2-24b", "lfm2-1.2b", "granite-3.3-8b",
)  # fmt: skip
EXPERTS = ("gpt-oss-20b", "gpt-oss-120b", "qwen3-30b-a3b", "mixtral-8x7b", "glm-4.5-air")
EMBED = ("bge-m3", "qwen3-embedding-0.6b", "nomic-embed-text-v1.5")
CARDS = (4, 6, 8, 10, 12, 16, 24, 32, 48)


def drawn(random: Random, *, most: int = 3) -> str:
    """One llm.toml."""
    cards = [f"{random.choice(CARDS)}GiB" for _ in range(random.choice((0, 1, 1, 2, 2, 2, 3)))]
    memory = f"{random.choice((6, 10, 16, 24, 32, 48, 64, 96))}GiB"
    names = [f"m{number}" for number in range(random.randint(1, most))]
    services = random.choice(("", "", "", 'on_demand = "router"', 'on_demand = "none"'))
    text = machine(*cards, memory=memory, reserve=random.choice(('"0"', '"1GiB"', '"2GiB"')))
    text += f"[services]\n{services}\n" if services else ""
    if services.endswith('"router"') and random.random() < 0.6:
        text += f"[services.router]\nmodels_max = {random.choice((1, 2, 3, json.dumps('auto')))}\n"
    text += _wishes(random, names, swap=not services)
    keep = services.endswith('"none"')
    return text + "".join(_model(random, name, len(cards), kept=keep) for name in names)


def _wishes(random: Random, names: list[str], *, swap: bool) -> str:
    lines = []
    if len(names) > 1 and random.random() < 0.4:
        lines.append(f"together = [{json.dumps(random.sample(names, 2))}]")
    if len(names) > 1 and random.random() < 0.1:
        lines.append(f"never_together = [{json.dumps(random.sample(names, 2))}]")
    if swap and random.random() < 0.15:
        lines.append('engine = "groups"')
    if random.random() < 0.25:
        keys = ["device", "tensor_split", "cache_type", "n_cpu_moe", "n_gpu_layers", "ctx_size"]
        random.shuffle(keys)
        lines.append(f"prefer = {json.dumps(keys[: random.randint(1, 6)])}")
    return "[plan]\n" + "".join(f"{line}\n" for line in lines) if lines else ""


def _model(random: Random, name: str, cards: int, *, kept: bool) -> str:
    if random.random() < 0.15:
        return model(name, random.choice(EMBED), "\n".join(_embedder(random)))
    file = random.choice(EXPERTS if random.random() < 0.3 else CHAT)
    return model(name, file, "\n".join(_options(random, file, cards, kept=kept)))


def _embedder(random: Random):
    yield 'role = "embedding"'
    yield f"parallel = {random.choice((1, 2, 4))}"
    yield f"ctx_size = {random.choice((2048, 4096, 8192))}"


def _options(random: Random, file: str, cards: int, *, kept: bool):
    yield f"parallel = {random.choice((1, 1, 1, 2, 4))}"
    yield f"ctx_size = {random.choice(('4096', '16384', '32768', '131072', json.dumps('max')))}"
    kinds = random.choice(('"f16"', '"q8_0"', '["f16", "q8_0", "q4_0"]', '["q8_0", "f16"]'))
    yield f"cache_type_k = {kinds}\ncache_type_v = {kinds}"
    yield f"ubatch_size = {random.choice((128, 512, 512, 1024))}"
    if random.random() < 0.2:
        yield f'cache_ram = "{random.choice((0, 2, 4))}GiB"'
    if cards and random.random() < 0.6:
        yield 'device = "auto"'
    if cards > 1 and random.random() < 0.4:
        yield 'tensor_split = "auto"'
    if file in EXPERTS and random.random() < 0.6:
        yield 'n_cpu_moe = "auto"'
    if random.random() < 0.25:
        yield 'n_gpu_layers = "auto"'
    if random.random() < 0.1:
        yield 'flash_attn = "off"' if "f16" in kinds and "q" not in kinds else ""
    if not kept and random.random() < 0.25:
        yield random.choice(("pin = true", 'keep = "always"', "preload = true", "priority = 3"))


def followed(text: str, hint: str) -> str:
    """llm.toml with the edits of a hint made by hand, whatever tables they stand in."""
    for edits, name, table in re.findall(
        r"((?:`\w+ = [^`]+`(?: and )?)+) (?:for `([^`]+)`|in \[([^\]]+)\])", hint
    ):
        keys = dict(re.findall(r"`(\w+) = ([^`]+)`", edits))
        text = _set(text, f"models.{name}" if name else table, keys)
    return text


def _set(text: str, table: str, keys: dict[str, str]) -> str:
    blocks = re.split(r"(?m)^(?=\[)", text)
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    for index, block in enumerate(blocks):
        head, _, body = block.partition("\n")
        if head == f"[{table}]":
            kept = [line for line in body.splitlines() if line.split(" =")[0] not in keys]
            blocks[index] = f"{head}\n{lines}" + "\n".join(kept) + "\n"
            return "".join(blocks)
    return f"{text}[{table}]\n{lines}"


def ways(found) -> list[str]:
    """Everything that a refusal says to do."""
    told = [found.hint, *(note[6:] for note in found.notes if note.startswith("also: "))]
    return [way for way in told if way.startswith("`")]


def findings(text: str):
    """What is wrong with the plan of an llm.toml."""
    try:
        planned(text)
    except PlanError as refused:
        return refused.diagnostics
    return ()


def named(found) -> tuple[str, str]:
    """A finding without its figures."""
    return found.code, found.message.split(" need")[0]


def idle(text: str) -> list[str]:
    """Hints that do not mend what they are for, or break something else."""
    refused = findings(text)
    before, told = {*map(named, refused)}, []
    for found in refused:
        for way in ways(found):
            left = {named(item) for item in findings(followed(text, way))}
            if not left < before or named(found) in left:
                told.append(way)
    return told


def main(count: int, seed: int) -> None:
    refused = hints = bad = 0
    for number in range(count):
        text = drawn(Random(seed * 1_000_000 + number))
        found = findings(text)
        refused += bool(found)
        hints += sum(len(ways(item)) for item in found)
        for way in idle(text):
            bad += 1
            print(f"{number}: {way}\n{text}")
        if number % 50 == 49:
            print(
                f"{number + 1} stacks of seed {seed}: {refused} refused, {hints} hints, {bad} idle",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
