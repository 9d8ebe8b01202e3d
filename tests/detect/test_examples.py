"""The llm.toml files that `init --example` writes: each is whole, and what it describes fits."""

import re
from pathlib import Path, PurePosixPath

import pytest

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.detect.examples import examples
from llmgen.errors import Severity
from llmgen.facts.lock import read_lock
from llmgen.facts.lock_model import Entry, Lock
from llmgen.fleet.build import fleet
from llmgen.plan.place import place
from llmgen.render.environment import make_render
from llmgen.resolve import references, resolve
from llmgen.resolve.references import is_needed
from llmgen.targets.selection import selected

CASES = Path(__file__).parents[1] / "cases"
# One for each of the published stacks that llmgen was made for.
STACKS = {
    "agents-on-a-mac",
    "folder-on-demand",
    "follow-ollama",
    "halo-gateways",
    "spark-in-a-container",
}


def known():
    """Facts of published models, by the name of their file without the shard's number."""
    locks = (read_lock(path) for path in sorted(CASES.glob("*/llm.lock")))
    found = {}
    for lock in locks:
        for facts in lock.facts.values():
            name = PurePosixPath(facts.files[0].name).name.removesuffix(".gguf")
            found[re.sub(r"-\d{5}-of-\d{5}$", "", name).lower()] = facts
    return found


def of_repository(ref, facts):
    """The facts of ``hf:ORG/NAME-GGUF:QUANT``."""
    _, repository, quant = ref.split(":")
    name = PurePosixPath(repository).name.removesuffix("-GGUF")
    return facts[f"{name}-{quant}".lower()]


@pytest.fixture(scope="module")
def facts():
    return known()


def test_every_reference_stack_is_there():
    assert {*examples()} >= STACKS


@pytest.mark.parametrize("name", sorted(examples()))
def test_it_fits(name, facts):
    text = examples()[name].text
    assert "#:schema" not in text
    source = parse(f"{name}.toml", text)
    config = load([source])
    assert config.edition == 2
    known = {ref: of_repository(ref, facts) for ref in references(config) if is_needed(ref)}
    for plan in plans(config, source, known):
        said = [item.message for item in plan.notes if item.severity is not Severity.NOTE]
        assert name not in STACKS or said == []
        render = make_render()
        assert [item for target in selected(plan) for item in target.artifacts(plan, render)]


def plans(config, source, known):
    if not config.hosts:
        return [place(resolve(config, known))]
    lock = Lock({ref: Entry(found) for ref, found in known.items()})
    return [item.plan for item in fleet(config, source.document, lock).members.values()]


@pytest.mark.parametrize("name", sorted(examples()))
def test_its_first_comment_says_what_it_is(name):
    found = examples()[name]
    assert found.text.startswith(f"# {found.summary[:20]}")
    assert 20 < len(found.summary) < 200
