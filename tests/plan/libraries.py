"""Libraries of models large enough to fill a card, from a few lines of llm.toml."""

from __future__ import annotations

import re

from making import config, facts

from llmgen.library import Library
from llmgen.plan.place import place
from llmgen.plan.plan import Plan
from llmgen.resolve import resolve

# Llama-2-7B with 20 layers and a long context: 8 GiB in F16, 320 KiB of cache for each token.
SHAPE = {
    "layers": 20,
    "embedding": 4096,
    "heads": 32,
    "heads_kv": 32,
    "feed_forward": 11008,
    "context": 131072,
    "vocabulary": 32000,
}
TWO_CARDS = """
edition = 1
[hardware]
host = "box"
os = "linux"
backend = "cuda"
memory = "64GiB"
reserve = "2GiB"
process_overhead = "300MiB"
disk_bandwidth = "2GiB"
devices = [{ memory = "24GiB" }, { memory = "12GiB" }]
[paths]
home = "/home/llm"
"""


def library(text: str, *, head: str | None = None, **shape) -> Library:
    """What the text says, every file with facts of the same shape."""
    names = re.findall(r'model\s*=\s*"([^"]+)"', text)
    lock = {f"file:{name}": facts(name, **{**SHAPE, **shape}) for name in names}
    parts = {} if head is None else {"head": head}
    return resolve(config(text, **parts), lock)


def planned(text: str, *, head: str | None = None, **shape) -> Plan:
    """The plan of such a library."""
    return place(library(text, head=head, **shape))


def models(*names: str, options: str = "", **own: str) -> str:
    """[models] tables: the same options for all, others by name."""
    return "".join(
        f'[models.{name}]\nmodel = "{name}.gguf"\n{options}\n{own.get(name, "")}\n'
        for name in names
    )
