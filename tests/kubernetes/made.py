"""The objects of a stack, from the text of its llm.toml and the facts of small models."""

import tomllib

from making import facts

from llmgen.cluster.build import cluster
from llmgen.config.load import load, overlay
from llmgen.config.source import parse
from llmgen.facts.lock_model import Entry, Lock
from llmgen.render.environment import make_render
from llmgen.resolve import references
from llmgen.targets.kubernetes.base import grouped
from llmgen.targets.kubernetes.scene import scene

HEAD = """
edition = 1
[hardware]
os = "linux"
backend = "cuda"
memory = "64GiB"
reserve = "2GiB"
devices = [{ memory = "24GiB" }, { memory = "24GiB" }]
[paths]
home = "/home/llm"
[kubernetes]
namespace = "llm"
"""


def stack(text="", *, head=HEAD, lock=None, document=None):
    """The scene of a stack; ``lock`` has the facts of some models, of the others they are small.

    ``document`` is a whole llm.toml in place of the two texts.
    """
    document = document or overlay(tomllib.loads(head), tomllib.loads(text))
    source = parse("llm.toml", "")
    source.document.update(document)
    config = load([source])
    known = lock.entries if lock is not None else {}
    entries = {ref: known.get(ref) or entry(ref) for ref in references(config)}
    return scene(cluster(config, document, Lock(entries)), make_render([]))


def entry(ref):
    """A small model in the lock."""
    kind, _, name = ref.partition(":")
    if kind == "file":
        return Entry(facts(name, context=32768))
    repo, _, what = name.partition(":")
    return Entry(facts(f"{repo}/{what or 'model.gguf'}", context=32768), "0" * 40)


def objects(made):
    """Every object of a scene."""
    return [item for items in grouped(made).values() for item in items]


def one(found, kind, name=None):
    """The only object of a kind, or the one of that name."""
    (item,) = (
        item for item in found if item["kind"] == kind and name in (None, item["metadata"]["name"])
    )
    return item


def pod_specs(found):
    """The spec of the pods of each controller, by its name."""
    return {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]
        for item in found
        if "template" in item.get("spec", {})
    }
