"""Fleets of real llm.toml documents drawn at random, and each host of them as a text of its own.

Nothing here knows llmgen's fleet: a host's text is put together by hand, as README says it.
"""

from __future__ import annotations

import json
from functools import cache
from math import comb
from random import Random

from making import facts
from msgspec import Struct

# (GiB or so, layers, embedding, feed forward)
SHAPES = {
    "s1": (2, 512, 1024),
    "s2": (2, 4096, 16384),
    "s3": (4, 4096, 24576),
    "s4": (6, 4096, 40960),
    "s5": (4, 8192, 49152),
    "s6": (6, 8192, 57344),
}
GIB = 2**30


class Machine(Struct, frozen=True):
    """Hardware as numbers, and as llm.toml has it."""

    memory: int
    cards: tuple[int, ...] = ()
    unified: bool = False

    @property
    def budgets(self):
        """Bytes of each pool that models may use."""
        name = "unified" if self.unified else "host"
        cards = {f"gpu{at}": size * GIB for at, size in enumerate(self.cards)}
        return {name: (self.memory - 2) * GIB, **cards}

    @property
    def counted(self):
        """Pools whose bytes are compared: devices, else the host; of shared memory the least."""
        if self.unified:
            return (min(self.budgets, key=self.budgets.get),)
        return tuple(self.budgets)[1:] or ("host",)

    @property
    def table(self):
        backend = ("rocm" if self.unified else "cuda") if self.cards else "cpu"
        devices = [{"memory": f"{size}GiB", "reserve": 0} for size in self.cards]
        told = {
            "os": "linux",
            "backend": backend,
            "memory": f"{self.memory}GiB",
            "reserve": "2GiB",
            "process_overhead": 0,
            "devices": devices,
        }
        return {**told, "unified": True} if self.unified else told


MACHINES = (
    Machine(16), Machine(32), Machine(64), Machine(24, (8,)), Machine(64, (24,)),
    Machine(32, (12,)), Machine(64, (24, 12)), Machine(48, (16, 8)), Machine(64, (24, 16, 8)),
    Machine(48, (8, 12, 6)), Machine(64, (48,), unified=True), Machine(32, (28,), unified=True),
)  # fmt: skip


class Drawn(Struct):
    """One fleet: tables of the whole file, of its hosts and models; ``hosts`` of each model."""

    common: dict
    machines: dict[str, Machine]
    own: dict[str, dict]
    models: dict[str, dict]
    wanted: dict[str, tuple[tuple[str, ...], int]]
    told: dict[str, dict]

    def text(self):
        """The whole llm.toml."""
        lines = ["edition = 2", *_tables(self.common)]
        for at, (name, machine) in enumerate(self.machines.items()):
            head = {"address": f"10.0.0.{at + 1}", "key": {"env": f"KEY_{at}"}}
            table = {**head, "hardware": machine.table, **self.own[name]}
            lines += [f"[hosts.{name}]", *_pairs(table)]
        for name, table in self.models.items():
            lines += [f"[models.{name}]", *_pairs({**table, **self.told[name]})]
        return "\n".join(lines) + "\n"

    def alone(self, host, models):
        """One machine's llm.toml with these models alone."""
        own = dict(self.own[host])
        own.pop("routes", None)
        other = own.pop("models", {})
        found = {"hardware": self.machines[host].table, "paths": {"home": "/home/llm"}}
        for table in {**self.common, **own}:
            found[table] = {**self.common.get(table, {}), **own.get(table, {})}
        plan = found.get("plan", {})
        for key in ("together", "never_together", "wish_together"):
            rows = [[name for name in row if name in models] for row in plan.get(key, ())]
            plan = {**plan, key: [row for row in rows if len(row) > 1]}
        # A table that says nothing is left out: equal texts are planned once.
        if said := {key: value for key, value in plan.items() if value != []}:
            found["plan"] = said
        else:
            found.pop("plan", None)
        lines = ["edition = 2", *_tables(found)]
        for name, table in self.models.items():
            if name in models:
                lines += [f"[models.{name}]", *_pairs({**table, **other.get(name, {})})]
        return "\n".join(lines) + "\n"

    def open(self, host, name):
        """Whether what a model takes there depends on what is beside it."""
        table = {**self.models[name], **self.own[host].get("models", {}).get(name, {})}
        several = len(table.get("device", self.machines[host].cards)) > 1
        return "max" in table.values() or "auto" in table.values() or several

    @property
    def ways(self):
        """How many assignments there are."""
        number = 1
        for hosts, copies in self.wanted.values():
            number *= comb(len(hosts), copies)
        return number


def _tables(tables):
    for name, table in tables.items():
        yield f"[{name}]"
        yield from _pairs(table)


def _pairs(table, before=""):
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _pairs(value, f"{before}{key}.")
        else:
            yield f"{before}{key} = {_value(value)}"


def _value(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(_pairs(value)) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value)


@cache
def shape(name):
    """Facts of one of the shapes."""
    layers, embedding, feed_forward = SHAPES[name]
    return facts(
        f"{name}.gguf",
        layers=layers,
        embedding=embedding,
        feed_forward=feed_forward,
        heads=32,
        heads_kv=8,
        context=32768,
    )


LOCKED = {f"file:{name}.gguf": name for name in SHAPES}


def drawn(luck: Random, *, hosts=5, models=10) -> Drawn:
    """One fleet."""
    names = [f"h{at}" for at in range(luck.randint(1, hosts))]
    kinds = luck.sample(MACHINES, luck.randint(1, 4))
    machines = {name: luck.choice(kinds) for name in names}
    called = [
        f"m{at}" for at in range(min(models, luck.choice((1, 2, 2, 3, 3, 4, 4, 5, 6, 8, 10))))
    ]
    common = {
        "defaults": {"cache_ram": luck.choice((0, 0, 0, "1GiB"))},
        "paths": {"home": "/home/llm"},
    }
    if plan := _plan(luck, called):
        common["plan"] = plan
    if luck.random() < 0.1:
        common["naming"] = {"prefix": "lab/"}
    most = luck.choice((4, 6, 6))
    found = Drawn(common, machines, {}, {}, {}, {})
    for name in called:
        found.models[name] = _model(luck, most)
        told, wanted = _where(luck, names)
        found.told[name] = told
        if found.models[name].get("enable", True):
            found.wanted[name] = wanted
    for name in names:
        found.own[name] = _own(luck, found, machines[name])
    return found


def _plan(luck, called):
    found = {}
    for key, often in (("together", 0.12), ("never_together", 0.12), ("wish_together", 0.08)):
        if len(called) > 1 and luck.random() < often:
            found[key] = [luck.sample(called, 2)]
    return found


def _model(luck, most):
    found = {
        "model": f"s{luck.randint(1, most)}.gguf",
        "ctx_size": luck.choice((2048, 2048, 8192, 32768)),
    }
    if luck.random() < 0.04:
        found["ctx_size"] = "max"
    chance = luck.random()
    if chance < 0.15:
        found["keep"] = "always"
    elif chance < 0.25:
        found["pin"] = True
    elif chance < 0.3:
        found["preload"] = True
    if luck.random() < 0.04:
        found["default"] = True
    if luck.random() < 0.02:
        found["port"] = 9001
    if luck.random() < 0.1:
        found["device"] = luck.choice((["gpu0"], ["gpu0"], ["gpu1"], ["gpu1", "gpu0"], "auto"))
    if luck.random() < 0.03:
        found["n_gpu_layers"] = luck.choice((0, 1))
    if luck.random() < 0.04:
        found["enable"] = False
    if luck.random() < 0.03:
        found["parallel"] = 2
    return found


def _where(luck, names):
    chance = luck.random()
    if chance < 0.15:
        host = luck.choice(names)
        return {"host": host}, ((host,), 1)
    if chance < 0.22:
        hosts = luck.sample(names, luck.randint(1, min(2, len(names))))
        return {"host": hosts}, (tuple(hosts), len(hosts))
    told = {"host": "auto"} if chance < 0.4 else {}
    copies = luck.randint(1, len(names)) if luck.random() < 0.12 else 1
    return {**told, **({"hosts": copies} if copies > 1 else {})}, (tuple(names), copies)


def _own(luck, found, machine):
    own = {}
    chance = luck.random()
    if chance < 0.05:
        own["services"] = {"on_demand": "none"}
        own["gateway"] = {"envoy": {"enable": True}}
    elif chance < 0.12:
        own["services"] = {"on_demand": "router"}
        if (limit := luck.choice((0, 1, 2, 3, "auto"))) != 0:
            own["services"]["router"] = {"models_max": limit}
    elif chance < 0.15:
        own["services"] = {"start_port": 65535}
    elif chance < 0.18:
        own["plan"] = {"engine": "groups"}
    if luck.random() < 0.03:
        own["budget"] = {"override": "tried"}
    if luck.random() < 0.08:
        own["llama_cpp"] = {"build": 9900}
    if luck.random() < 0.06:
        own["defaults"] = {"cache_ram": "2GiB"}
    if luck.random() < 0.1:
        own["routes"] = False
    for name in found.models:
        if luck.random() < 0.04:
            other = [{"ctx_size": 8192}, {"keep": "always"}, {"n_gpu_layers": 1}]
            if machine.cards:
                other.append({"device": [f"gpu{len(machine.cards) - 1}"]})
            own.setdefault("models", {})[name] = luck.choice(other)
    return own
