"""Libraries of published models by their true shapes, from a few lines of llm.toml."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import tomllib
from functools import cache
from pathlib import Path

# For `python tests/plan/brute.py`, which starts in this folder.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from oracle.headers import write_header

from llmgen.config.config import Config
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.facts.local import read_model
from llmgen.library import Library
from llmgen.plan.place import place
from llmgen.plan.plan import Plan
from llmgen.resolve import resolve


@cache
def published(name: str) -> GgufFacts:
    """The facts of one of ``oracle.shapes``."""
    with tempfile.TemporaryDirectory() as folder:
        return read_model(write_header(Path(folder, f"{name}.gguf"), name))


def library(text: str) -> Library:
    """The whole llm.toml; each ``model`` is the name of a shape with ``.gguf``."""
    names = {*re.findall(r'model\s*=\s*"([^"]+)\.gguf"', text)}
    config = Config.model_validate_json(json.dumps(tomllib.loads(text)))
    return resolve(config, {f"file:{name}.gguf": published(name) for name in names})


def planned(text: str) -> Plan:
    """The plan of such a library."""
    return place(library(text))


def machine(*devices: str, memory: str = "64GiB", **more: str) -> str:
    """The head of an llm.toml for a machine with these cards."""
    cards = ", ".join(f'{{ memory = "{size}" }}' for size in devices)
    keys = {"reserve": '"2GiB"', **more}
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return (
        f'edition = 1\n[hardware]\nhost = "box"\nos = "linux"\nbackend = "cuda"\n'
        f'memory = "{memory}"\ndevices = [{cards}]\n{lines}[paths]\nhome = "/home/llm"\n'
    )


def model(name: str, file: str, options: str = "") -> str:
    """One [models] table."""
    return f'[models.{name}]\nmodel = "{file}.gguf"\n{options}\n'
