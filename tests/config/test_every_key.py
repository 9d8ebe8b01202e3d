"""Each key of llm.toml does something: every_key.txt sets each once, and the output must move."""

import json
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from making import facts
from pydantic import BaseModel

from llmgen.artifacts import Tree
from llmgen.cluster.build import cluster
from llmgen.config.config import Config
from llmgen.config.load import load, overlay
from llmgen.config.source import parse
from llmgen.errors import LlmgenError
from llmgen.facts.lock_model import Entry, Lock
from llmgen.plan.place import place
from llmgen.render.environment import make_render
from llmgen.resolve import references, resolve
from llmgen.targets.kubernetes.files import artifacts
from llmgen.targets.kubernetes.scene import scene
from llmgen.targets.selection import selected

BASE = """
edition = 1
[hardware]
os = "linux"
backend = "cuda"
memory = "64GiB"
reserve = "2GiB"
devices = [{ memory = "24GiB" }, { memory = "24GiB" }]
[paths]
home = "/home/llm"
[models.a]
model = "a.gguf"
ctx_size = "8K"
[models.b]
model = "b.gguf"
ctx_size = "4K"
variants.bv.params = { temperature = 0.5 }
[models.e]
model = "e.gguf"
role = "embedding"
[external.x]
endpoint = "http://127.0.0.1:9999"
[gateway]
envoy.enable = true
litellm.enable = true
"""
# Free names: [models.NAME] stands for every model, and so on.
NAMES = {
    "models": "b",
    "external": "x",
    "variants": "bv",
    "borrow": "spark",
    "lend": "far",
    "pools": "gpu",
    "environments": "prod",
}
# Tables that are listed with their own keys elsewhere.
WHOLE = ("kubernetes.pools.gpu.hardware", "kubernetes.pools.gpu.models")
# Keys that move nothing in a tree of small models on a large machine, and why.
ELSEWHERE = {
    "hardware.os": "which services `install` starts; all of them are rendered",
    "hardware.architecture": "what `doctor` compares with the GPU",
    "hardware.memory_bandwidth": "what `show --expect` says",
    "hardware.disk_bandwidth": "load times longer than llama-swap's least",
    "models.b.hf_repo": "where `lock` and `pull` find the file",
    "models.b.hf_file": "where `lock` and `pull` find the file",
    "models.b.quant": "where `lock` and `pull` find the file",
    "models.b.revision": "where `lock` and `pull` find the file",
    "models.b.ollama": "where `lock` and `pull` find the file",
    "models.b.lm_studio": "where `lock` and `pull` find the file",
    "models.b.draft.hf_repo": "where `lock` and `pull` find the file",
    "models.b.draft.hf_file": "where `lock` and `pull` find the file",
    "models.b.draft.quant": "where `lock` and `pull` find the file",
    "models.b.draft.revision": "where `lock` and `pull` find the file",
    "gateway.envoy.tls.cert": "comes with its key",
    "gateway.envoy.tls.key": "comes with its certificate",
    "apps.open_webui.secret_key.env": "Open WebUI is not started without: other ways to say it",
    "apps.open_webui.secret_key.file": "Open WebUI is not started without",
    "apps.open_webui.secret_key.credential": "Open WebUI is not started without",
    "hosts": "several machines, each with its own tree (tests/fleet)",
    "models.b.hosts": "on how many of several machines it is (tests/fleet)",
    "kubernetes.pools.gpu.models": "the keys of every model, on some nodes (tests/cluster)",
    "kubernetes.context": "which cluster `llmgen install` asks",
    "kubernetes.environments.prod.context": "which cluster `llmgen install` asks",
    "kubernetes.pools.gpu.count": "what the nodes are proved to hold (tests/kubernetes)",
    "kubernetes.picker_image": "routes that lead to no other server (test_inference_pools.py)",
    "rpc.lend.far.peer": "whom `llmgen firewall` lets in",
    "plan.together": "what is preferred when memory is short",
    "plan.wish_together": "what is preferred when memory is short",
    "plan.prefer": "what gives way when memory is short",
    "budget.override": "what is said when memory is short",
    "guard.threshold": "what `llmgen guard` does when it runs",
    "guard.min_idle": "what `llmgen guard` does when it runs",
    **{
        f"sync.{key}": "what `llmgen sync` does (tests/sync)"
        for key in (
            "stores",
            "folders",
            "include",
            "exclude",
            "roles",
            "prefix",
            "options",
            "remove",
            "settle",
            "install",
        )
    },
    "sync.interval": "a timer of where llm.toml stands, which `install` alone writes",
}
PARTS = 6
ROWS = Path(__file__).with_name("every_key.txt").read_text("utf-8").splitlines()


def key_of(assignment):
    """The key; `models.v` is a model of another engine, written in front."""
    return assignment.split(" = ")[0].replace("models.v.", "models.b.")


def section_of(row):
    return row.split(".")[0]


def keys(table, path=()):
    for name, field in table.model_fields.items():
        whole = ".".join((*path, name))
        yield from (whole,) if whole in WHOLE else inside(field.annotation, (*path, name))


def inside(annotation, path):
    found = [item for item in (annotation, *flat(annotation)) if is_table(item)]
    if not found or "tuple" in str(annotation):
        yield ".".join(path)
    elif "dict" not in str(annotation):
        yield from keys(found[0], path)
    elif path[-1] in NAMES:
        yield from keys(found[0], (*path, NAMES[path[-1]]))
    else:
        yield ".".join(path)


def flat(annotation):
    return [inner for item in get_args(annotation) for inner in (item, *flat(item))]


def is_table(item):
    return isinstance(item, type) and issubclass(item, BaseModel)


def rendered(assignments, render):
    """Tree and notes, or the code of the refusal."""
    document = tomllib.loads(BASE)
    for item in assignments:
        document = overlay(document, tomllib.loads(item))
    source = parse("llm.toml", "")
    source.document.update(document)
    try:
        config = load([source])
        known = {
            ref: facts(
                ref.partition(":")[2],
                context=32768,
                architecture="clip" if "mm." in ref else "llama",
            )
            for ref in references(config)
        }
        if config.kubernetes is not None:
            commit = {ref: "0" * 40 if ref.startswith("hf:") else "" for ref in known}
            lock = Lock({ref: Entry(item, commit[ref]) for ref, item in known.items()})
            made = cluster(config, document, lock)
            return {
                str(item.path): item.content for item in artifacts(scene(made, render))
            }, made.notes
        plan = place(resolve(config, known))
        tree = Tree(item for target in selected(plan) for item in target.artifacts(plan, render))
    except LlmgenError as error:
        return error.diagnostics[0].code
    return {str(item.path): item.content for item in tree}, plan.notes


def test_every_key_is_in_the_list_or_excused():
    listed = [key_of(row.split(" ; ")[-1]) for row in ROWS]
    assert {*listed, *ELSEWHERE} == {*keys(Config)}
    assert not {*listed} & {*ELSEWHERE}


@pytest.fixture(scope="module")
def before():
    render = make_render([])
    known = {}

    def look(assignments):
        text = json.dumps(assignments)
        if text not in known:
            known[text] = rendered(assignments, render)
        return known[text]

    return look


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("section", sorted({section_of(row) for row in ROWS}))
def test_every_key_moves_the_output(section, part, before):
    idle = []
    for row in [row for row in ROWS if section_of(row) == section][part::PARTS]:
        assignments = row.split(" ; ")
        base = before(assignments[:-1])
        assert not isinstance(base, str), f"{assignments[:-1]}: {base}"
        if before(assignments) == base:
            idle.append(row)
    assert not idle, "these keys are read by nobody: honour them, or refuse them"
