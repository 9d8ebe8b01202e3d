"""Whatever is answered, what comes of it is an llm.toml that is planned without a word."""

from itertools import product

import pytest
from making import facts
from msgspec.structs import replace
from oracle.comparison import all_facts

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.detect.document import document
from llmgen.detect.interview import PURPOSES, REACHES, models, with_answers
from llmgen.detect.machine import FoundMachine
from llmgen.errors import Severity
from llmgen.plan.place import place
from llmgen.resolve import resolve

HERE = FoundMachine("linux", "cuda", 64 * 2**30, "/home/ada", devices=(("a card", 24 * 2**30),))
CHOSEN = (
    {"name": "a", "model": "a.gguf"},
    {"name": "e", "model": "e.gguf", "role": "embedding"},
)
ENCODER = all_facts()["bge-m3"]
POOLED = replace(
    facts("e.gguf", architecture="bert"),
    hyperparameters={**ENCODER.hyperparameters, "pooling_type": 2},
    tensors=ENCODER.tensors,
)
KNOWN = {"file:a.gguf": facts("a.gguf"), "file:e.gguf": POOLED}


@pytest.mark.parametrize(("purpose", "reach"), [*product(PURPOSES, REACHES)])
def test_every_answer(purpose, reach):
    tables = dict(reach.tables)
    for table in models(CHOSEN, purpose.keys):
        tables |= table
    text = with_answers(document(HERE), tables)
    plan = place(resolve(load([parse("llm.toml", text)]), KNOWN))
    assert [item.name for item in plan.placements] == ["a", "e"]
    assert [item.message for item in plan.notes if item.severity is not Severity.NOTE] == []
