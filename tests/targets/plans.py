"""Plans from TOML text, placed by hand: targets are tested without the planner's arithmetic."""

import json
import tomllib

from making import adapter, facts

from llmgen.budget.memory import DeviceMemory, Estimate, HostMemory
from llmgen.config.config import Config
from llmgen.library import Keep
from llmgen.plan.command import argv
from llmgen.plan.plan import Headroom, Matrix, Placement, Plan, Pool, Router, State
from llmgen.plan.ports import ports
from llmgen.resolve import references, resolve
from llmgen.units import GIB, MIB

HEAD = """
edition = 1
[hardware]
host = "box"
os = "linux"
backend = "vulkan"
memory = "64GiB"
disk_bandwidth = "2GiB"
devices = [{ memory = "24GiB" }]
[paths]
home = "/home/llm"
models = "/srv/models"
"""

STACK = """
[services]
api_key = { env = "SERVER_KEY" }
[services.llama_swap]
api_keys = [{ env = "SERVER_KEY" }]
[gateway.envoy]
enable = true
[gateway.litellm]
enable = true
[models.big]
model = "big.gguf"
title = "Big"
description = "answers: long # questions"
ctx_size = "64K"
parallel = 2
aliases = ["gpt-4o"]
ttl = "10m"
priority = 2
concurrency_limit = 20
load_mode = "mlock"
[models.big.sampling]
temp = 0.7
top_n_sigma = 1.5
samplers = ["top_k", "temperature"]
[models.big.variants."big:think"]
aliases = ["deep"]
params = { temperature = 0.2, chat_template_kwargs = { enable_thinking = true } }
[models."small/coder"]
model = "small.gguf"
ctx_size = 8192
pin = true
preload = true
chat_template_kwargs = { thinking = false }
extra_args = ["--verbosity", "2"]
environment = { GGML_VK_VISIBLE_DEVICES = "0", TOKEN = { file = "/etc/token" } }
[models.embed]
model = "embed.gguf"
role = "embedding"
ctx_size = 2048
parallel = 2
aliases = ["text-embedding-3-small"]
[models.rank]
model = "rank.gguf"
role = "rerank"
ctx_size = 1024
"""


def config(text, head=HEAD):
    return Config.model_validate_json(json.dumps(tomllib.loads(head + text)))


def _facts(name):
    if name.startswith("mmproj"):
        return facts(name, architecture="clip")
    return adapter(name) if ".lora." in name else facts(name)


def library(text, head=HEAD):
    chosen = config(text, head)
    known = {ref: _facts(ref.rpartition(":")[2]) for ref in references(chosen)}
    return resolve(chosen, known)


def plan(text=STACK, *, head=HEAD, engine=None, together=()):
    """A plan whose models take 4 GiB of the device each; ``together`` are the maximal sets."""
    found = library(text, head)
    numbers = ports(found)
    placements = tuple(_placement(item, found, numbers[item.name]) for item in found.models)
    pool = Pool("box", "gpu0", ("gpu0",), 24 * GIB, GIB)
    host = Pool("box", "host", ("host",), 64 * GIB, 8 * GIB)
    demand = [item.name for item in placements if item.keep is Keep.ON_DEMAND]
    always = [item.name for item in placements if item.keep is Keep.ALWAYS]
    sets = tuple(together) or tuple((name,) for name in demand)
    states = tuple(
        State((*always, *names), {"host": 0, "gpu0": 4 * GIB * len(names)}) for names in sets
    )
    return Plan(
        library=found,
        pools=(host, pool),
        placements=placements,
        engines={"box": _engine(found, demand, sets) if engine is None else engine},
        states=states,
        headroom=(Headroom(pool, 8 * GIB, always), Headroom(host, 2 * GIB, always)),
        ports=numbers,
    )


def _placement(model, found, port):
    estimate = Estimate(
        n_ctx=model.settings.ctx_size,
        n_ctx_seq=model.settings.ctx_size // max(1, model.settings.parallel),
        exact=True,
        memory=(
            DeviceMemory("host", 100 * MIB, 0, 20 * MIB),
            DeviceMemory("gpu0", 3 * GIB, GIB // 2, GIB // 2),
        ),
        host=HostMemory(output=MIB),
    )
    return Placement(
        model=model,
        host="box",
        keep=model.keep,
        settings=model.settings,
        estimate=estimate,
        footprint={"gpu0": 4 * GIB, "host": 121 * MIB},
        port=port,
        argv=argv(model, model.settings, found, port=port),
    )


def _engine(found, demand, sets):
    if found.config.services.on_demand == "router":
        return Router(2)
    if found.config.services.on_demand == "none" or not demand:
        return None
    names = {f"m{index}": name for index, name in enumerate(demand, 1)}
    short = {name: key for key, name in names.items()}
    return Matrix(
        variables=names,
        sets={
            f"s{index:03}": " & ".join(short[name] for name in members)
            for index, members in enumerate(sets, 1)
        },
        evict_costs=dict.fromkeys(names, 10),
        listed=tuple(sets),
    )
