"""Stacks that reports are made of: the repository's, two cards, a thousand models, a refused one."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path

from llmgen.config.config import Config
from llmgen.facts.lock import read_lock
from llmgen.report.data import judged, report
from llmgen.resolve import resolve

REPOSITORY = Path(__file__).resolve().parents[2]
LOCKS = ("apple-group", "router", "samplers", "spark", "strix-halo", "engines")

TWO_CARDS = """
edition = 2
[hardware]
profile = "nvidia-2x24gb"
host = "twin"
disk_bandwidth = "3GiB"
[paths]
home = "/home/me"
[gateway]
envoy.enable = true
litellm.enable = true
[plan]
never_together = [["painter", "reader"]]
[models.embed]
model = "bge-m3/bge-m3-Q8_0.gguf"
role = "embedding"
device = ["gpu1"]
[models.assistant]
model = "Qwen3-8B-Q4_K_M.gguf"
device = ["gpu0"]
pin = true
aliases = ["gpt-4o-mini", "small"]
[models.coder]
model = "Qwen3-Coder-30B-A3B-Instruct-GGUF/Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf"
device = "auto"
ctx_size = "max"
aliases = ["gpt-4o", "claude-sonnet-4-5"]
[models.thinker]
model = "publisher/Qwen3-32B-Q4_K_M.gguf"
device = "auto"
ctx_size = "max"
cache_type_k = ["f16", "q8_0"]
cache_type_v = ["f16", "q8_0"]
[models.reader]
model = "publisher/gemma-3-4b-it-Q4_K_M.gguf"
device = ["gpu1"]
ctx_size = "64K"
parallel = 4
[models.oss]
model = "gpt-oss-20b-GGUF/gpt-oss-20b-mxfp4.gguf"
device = ["gpu1"]
ctx_size = "32K"
[models.oss.variants.oss-high]
description = "thinks harder"
[models.painter]
engine = "stable-diffusion"
diffusion_model = "flux1-schnell-q4_0.gguf"
vae = "ae.safetensors"
clip_l = "clip_l.safetensors"
t5xxl = "t5xxl_q8_0.gguf"
device = ["gpu1"]
memory = { gpu1 = "14GiB", host = "2GiB" }
[external.far]
endpoint = "http://10.0.0.9:8000"
aliases = ["huge"]
"""
# The same cards, and a context for which there is no room.
REFUSED = TWO_CARDS.replace('ctx_size = "32K"', 'ctx_size = "128K"\nparallel = 16').replace(
    "never_together", 'together = [["coder", "thinker"]]\nnever_together'
)
# Names that a browser must show as they are.
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(2)'>",
    "</title></style></svg><b>bold",
    "javascript:alert(3)&lt;&#x27;",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnissergorp\u202c",
)


@cache
def facts():
    """What the locks of all cases know."""
    found = {}
    for name in LOCKS:
        found |= read_lock(REPOSITORY / "tests" / "cases" / name / "llm.lock").facts
    return found


def library(text):
    """A library of this llm.toml."""
    config = Config.model_validate_json(json.dumps(tomllib.loads(text)))
    return resolve(config, facts())


@cache
def judged_of(text):
    """Its plan, and what does not fit."""
    return judged(library(text))


@cache
def report_of(text):
    """What the page says of it."""
    plan, found = judged_of(text)
    return report(plan, found)


def repository():
    """The repository's own llm.toml."""
    return REPOSITORY.joinpath("llm.toml").read_text("utf-8")


def many(count):
    """An llm.toml of so many models that share one locked file."""
    case = REPOSITORY / "tests" / "cases" / "minimal" / "llm.toml"
    head, _, _ = case.read_text("utf-8").partition("[models")
    models = (
        f'[models.m{index}]\nmodel = "Qwen3-8B-Q4_K_M.gguf"\nctx_size = {4096 + 256 * (index % 64)}\n'
        for index in range(count)
    )
    return head + "".join(models)


def hostile():
    """Two cards whose texts would be markup, script and marks of direction."""
    texts = "".join(
        f'[models.h{index}]\nmodel = "Qwen3-8B-Q4_K_M.gguf"\nctx_size = 4096\ndevice = ["gpu1"]\n'
        f"title = {json.dumps(text)}\ndescription = {json.dumps(text)}\n"
        for index, text in enumerate(HOSTILE)
    )
    return TWO_CARDS + texts
