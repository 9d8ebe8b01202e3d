"""Stacks of several hosts, from a text and models that were never on a disk."""

from making import facts

from llmgen.config.load import load, merged
from llmgen.config.source import parse
from llmgen.facts.lock_model import Entry, Lock
from llmgen.fleet.build import fleet
from llmgen.resolve import references

HOSTS = """
edition = 2
[hosts.studio]
address = "192.168.1.10"
key = { env = "STUDIO_KEY" }
paths.home = "/home/llm"
hardware = { os = "linux", backend = "cpu", memory = "64GiB", reserve = "2GiB", devices = [] }
[hosts.box]
address = "192.168.1.11"
key = { env = "BOX_KEY" }
paths.home = "/srv/llm"
gateway.envoy.enable = true
[hosts.box.hardware]
os = "linux"
backend = "cuda"
memory = "32GiB"
reserve = "2GiB"
devices = [{ memory = "24GiB" }]
"""


def read(text, **sizes):
    """The whole config, its document, and a lock of small models."""
    source = parse("llm.toml", text)
    config = load([source])
    entries = {
        ref: Entry(facts(ref.partition(":")[2], context=32768, **sizes))
        for ref in references(config)
    }
    return config, merged([source]), Lock(entries)


def made(text, **sizes):
    """The fleet of a text."""
    return fleet(*read(text, **sizes))
