"""Random stacks over several unequal cards, the same with one model fewer, and every division.

``python tests/plan/unequal_cards.py COUNT SEED [published]`` looks at so many of them.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb
from pathlib import Path
from random import Random

# For `python tests/plan/unequal_cards.py`, which starts in this folder.
sys.path.append(str(Path(__file__).resolve().parents[1]))

import brute
import drawn as draw
from making import config, facts
from msgspec import Struct
from msgspec.structs import replace
from published import published

from llmgen.errors import PlanError
from llmgen.library import Library
from llmgen.plan.place import place
from llmgen.plan.scale import scale
from llmgen.plan.splits import is_left_out
from llmgen.resolve import resolve

# Layers, embedding, feed forward: 0.5 to 13 GiB.
SHAPES = (
    (2, 512, 1024), (3, 4096, 24576), (4, 4096, 24576), (5, 8192, 28672), (6, 4096, 40960),
    (4, 8192, 49152), (6, 8192, 57344), (8, 4096, 16384), (2, 4096, 16384),
)  # fmt: skip
MADE = {
    f"s{at}": facts(
        f"s{at}.gguf",
        layers=layers,
        embedding=embedding,
        feed_forward=feed_forward,
        heads=32,
        heads_kv=8,
        context=32768,
    )
    for at, (layers, embedding, feed_forward) in enumerate(SHAPES)
}
GIB = 2**30
# So many placements are looked at before a stack is passed over.
NODES = 60_000
# Of a model with more divisions not all are weighed.
DIVISIONS = 200


class Stack(Struct, frozen=True):
    """Tables of one llm.toml."""

    cards: tuple[int, ...]
    plan: dict
    services: dict
    models: dict[str, dict]

    @property
    def text(self) -> str:
        devices = ", ".join(f'{{ memory = "{size}GiB", reserve = 0 }}' for size in self.cards)
        lines = [
            'edition = 2\n[hardware]\nhost = "box"\nos = "linux"\nbackend = "cuda"',
            'memory = "256GiB"\nreserve = "2GiB"\nprocess_overhead = 0',
            f'devices = [{devices}]\n[paths]\nhome = "/home/llm"',
        ]
        tables = {"plan": self.plan, "services": self.services}
        tables |= {f"models.{name}": table for name, table in self.models.items()}
        for name, table in tables.items():
            if table:
                lines += [f"[{name}]", *(f"{key} = {json.dumps(it)}" for key, it in table.items())]
        return "\n".join(lines) + "\n"

    def without(self, name: str) -> Stack:
        """The same text, but for one model and what it is named in."""
        rows = {key: [[n for n in row if n != name] for row in it] for key, it in self.plan.items()}
        plan = {key: [row for row in it if len(row) > 1] for key, it in rows.items()}
        models = {key: table for key, table in self.models.items() if key != name}
        return replace(self, plan={key: it for key, it in plan.items() if it}, models=models)

    @property
    def library(self) -> Library:
        names = {*re.findall(r'model = "([^"]+)\.gguf"', self.text)}
        lock = {f"file:{name}.gguf": MADE.get(name) or published(name) for name in names}
        return resolve(config(self.text, head=""), lock)


def drawn(luck: Random, *, real: bool = False) -> Stack:
    """Two to four cards, two to five models; shares are left out of most."""
    most = (8, 12, 16, 24, 32, 48) if real else (4, 6, 8, 12, 16, 24)
    cards = tuple(luck.choice(most) for _ in range(luck.choice((2, 2, 3, 3, 3, 4))))
    names = [f"m{at}" for at in range(luck.choice((2, 2, 3, 3, 4, 5)))]
    plan = {"together": [luck.sample(names, 2)]} if luck.random() < 0.35 else {}
    services = {}
    if luck.random() < 0.1:
        services = {"on_demand": "router"}
    files = (*draw.CHAT, *draw.EXPERTS) if real else tuple(MADE)
    models = {name: _model(luck, luck.choice(files), len(cards)) for name in names}
    return Stack(cards, plan, services, models)


def _model(luck: Random, file: str, cards: int) -> dict:
    found = {"model": f"{file}.gguf", "ctx_size": luck.choice((2048, 8192, 32768)), "cache_ram": 0}
    chance = luck.random()
    if chance < 0.4:
        found["keep"] = "always"
    elif chance < 0.55:
        found["pin"] = True
    elif chance < 0.6:
        found["preload"] = True
    chance = luck.random()
    if chance < 0.12:
        found["device"] = [f"gpu{at}" for at in sorted(luck.sample(range(cards), 2))]
    elif chance < 0.2:
        found["device"] = [f"gpu{luck.randrange(cards)}"]
    elif chance < 0.26:
        found["tensor_split"] = [luck.randint(1, 4) for _ in range(cards)]
    elif chance < 0.32:
        found["tensor_split"] = "auto"
    elif chance < 0.35:
        found["ctx_size"] = "max"
    elif chance < 0.38:
        found["device"] = "auto"
    return found


def refused(stack: Stack) -> str:
    """Why a stack is refused; empty where it is not."""
    try:
        place(stack.library)
    except PlanError as error:
        return "; ".join(
            " ".join((item.code, item.message, *item.notes)) for item in error.diagnostics
        )
    return ""


def given_up(why: str) -> bool:
    """Whether the refusal says that not all was tried."""
    return "than were tried" in why or "was tried" in why


def divides(library: Library) -> bool | None:
    """Whether any division of what llm.toml leaves to the planner fits; None for too many.

    Only for stacks in which nothing but shares is left open.
    """
    weigh = scale(library)
    names = [pool.name for pool in weigh.pools]
    room = [pool.budget_bytes for pool in weigh.pools]
    groups = [*{*brute.sets(library)}]
    lists = []
    for model in library.models:
        settings = [model.settings]
        if is_left_out(model) or model.open.tensor_split:
            count = int(model.facts.hyperparameters["block_count"]) + 1
            devices = len(model.settings.devices)
            if comb(count + devices - 1, devices - 1) > DIVISIONS:
                return None
            shares = _divisions(count, devices)
            settings = [replace(model.settings, tensor_split=one) for one in shares]
        used = (weigh.footprint(model, one) for one in settings)
        sizes = {tuple(one[name] for name in names) for one in used}
        lists.append((model.name, sorted(sizes)))
    lists.sort(key=lambda item: -sum(item[0] in group for group in groups))
    nodes = 0

    def search(at: int, left: list[list[int]]) -> bool | None:
        nonlocal nodes
        if at == len(lists):
            return True
        name, sizes = lists[at]
        for size in sizes:
            nodes += 1
            if nodes > NODES:
                return None
            after = [
                [a - b for a, b in zip(rest, size, strict=True)] if name in group else rest
                for rest, group in zip(left, groups, strict=True)
            ]
            if min(map(min, after)) < 0:
                continue
            found = search(at + 1, after)
            if found is not False:
                return found
        return False

    return search(0, [room] * len(groups))


def _divisions(layers: int, devices: int) -> Iterator[tuple[float, ...]]:
    for ends in combinations(range(layers + devices - 1), devices - 1):
        marks = (-1, *ends, layers + devices - 1)
        yield tuple(float(b - a - 1) for a, b in pairwise(marks))


def wrong(stack: Stack, seen: Counter[str]) -> Iterator[str]:
    """What is said against llmgen's answer to a stack."""
    why = refused(stack)
    seen["refused" if why else "accepted"] += 1
    if why:
        plain = not any(
            table["ctx_size"] == "max" or table.get("device") == "auto"
            for table in stack.models.values()
        )
        found = divides(stack.library) if plain and not stack.services else False
        seen["too many"] += found is None
        if found:
            seen["given up"] += given_up(why)
            if not given_up(why):
                yield f"a division fits that is refused: {why}"
        return
    for name in stack.models if len(stack.models) > 1 else ():
        why = refused(stack.without(name))
        seen["smaller"] += 1
        seen["smaller given up"] += given_up(why)
        if why and not given_up(why):
            yield f"refused without `{name}`: {why}"


def main(count: int, seed: int, *, real: bool) -> None:
    seen, bad = Counter[str](), 0
    for number in range(count):
        stack = drawn(Random(f"{seed} {number}"), real=real)
        for said in wrong(stack, seen):
            bad += 1
            print(f"{seed} {number}: {said}\n{stack.text}", flush=True)
        if number % 50 == 49:
            print(f"{number + 1} stacks of seed {seed}: {bad} wrong, {dict(seen)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), real="published" in sys.argv)
