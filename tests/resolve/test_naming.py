"""[naming]: one prefix, file names and packs of aliases, applied once for every target."""

import pytest
from making import HEAD, config, facts
from targets import plans

from llmgen.config.alias_packs import packed
from llmgen.config.load import load, located
from llmgen.config.source import parse
from llmgen.errors import ConfigError
from llmgen.resolve import names, references, resolve
from llmgen.resolve.naming import named

NEW = HEAD.replace("edition = 1", "edition = 2")
TWO = """
[models.coder]
model = "Big Model-Q4_K_M.gguf"
aliases = ["gpt-4o"]
fallbacks = ["small", "far", "fast"]
[models.coder.variants.fast]
params = { temperature = 0.1 }
[models.small]
model = "small-00001-of-00002.gguf"
[models.embed]
model = "e.gguf"
role = "embedding"
[external.far]
endpoint = "http://127.0.0.1:1"
[plan]
together = [["coder", "small"]]
wish_together = [["small", "coder"]]
"""


def library(text, head=HEAD):
    chosen = config(text, head=head)
    known = {ref: facts(ref.partition(":")[2]) for ref in references(chosen)}
    return resolve(chosen, known)


def test_the_prefix_stands_before_every_own_name_and_every_mention_of_it():
    found = library('[naming]\nprefix = "ls/"\n' + TWO)
    assert [item.name for item in found.models] == ["ls/coder", "ls/small", "ls/embed"]
    first = found.model("ls/coder")
    assert first.names == ("ls/coder", "gpt-4o", "ls/fast")
    assert first.fallbacks == ("ls/small", "ls/far", "ls/fast")
    assert first.title == "coder"
    assert found.external["ls/far"].upstream_model == "far"
    assert found.config.plan.together == (("ls/coder", "ls/small"),)
    assert found.config.plan.wish_together == (("ls/small", "ls/coder"),)


def test_what_has_its_names_is_not_named_again():
    once = named(config('[naming]\nprefix = "ls/"\nalias_packs = ["openai"]\n' + TWO))
    assert named(once) == once


def test_an_alias_that_the_prefix_makes_twice_is_refused():
    text = '[naming]\nprefix = "ls/"\n[models.a]\nmodel="a.gguf"\n[models.b]\nmodel="b.gguf"\naliases=["ls/a"]'
    found = [(item.code, item.key) for item in names.findings(config(text))]
    assert found == [("names.taken", ("models", "b", "aliases", 0))]


def test_a_name_that_the_prefix_makes_too_long_is_refused():
    text = f'[naming]\nprefix = "ls/"\n[models.{"a" * 126}]\nmodel="a.gguf"\n'
    (found,) = names.findings(config(text))
    assert (found.code, found.key) == ("names.too-long", ("models", "a" * 126))


def test_errors_about_prefixed_models_have_their_place():
    text = NEW + '[naming]\nprefix = "ls/"\n[models.a]\nmodel = "a.gguf"\nctx_size = 4096\n'
    source = parse("llm.toml", text)
    load([source])
    for key in (("models", "ls/a", "ctx_size"), ("models", "a", "ctx_size")):
        error = ConfigError(names.Diagnostic("x", "y", key))
        (found,) = located(error, [source]).diagnostics
        assert found.location.line == text.count("\n")


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ('["stem"]', ("gpt-4o", "Big-Model-Q4_K_M")),
        ('["stem", "file"]', ("gpt-4o", "Big-Model-Q4_K_M", "Big-Model-Q4_K_M.gguf")),
        ("[]", ("gpt-4o",)),
    ],
)
def test_files_names_are_aliases_by_choice(kinds, expected):
    found = library(f"[naming]\nfile_aliases = {kinds}\n" + TWO)
    assert found.model("coder").aliases == expected
    assert found.model("small").aliases == (() if "file" not in kinds else ("small.gguf",))


def test_a_file_of_two_models_names_none_of_them_and_that_is_said():
    text = '[naming]\nfile_aliases = ["stem"]\n[models.a]\nmodel="x.gguf"\n[models.b]\nmodel="x.gguf"\n'
    found = library(text)
    assert [item.aliases for item in found.models] == [(), ()]
    assert [item.code for item in found.notes if item.code.startswith("names.")] == [
        "names.shared-file"
    ]


def test_packs_name_the_default_model_of_each_role_and_leave_written_names_alone():
    text = '[naming]\nalias_packs = ["openai", "anthropic"]\n' + TWO.replace(
        "[models.small]\n", '[models.small]\ndefault = true\naliases = ["gpt-4"]\n'
    )
    found = library(text)
    chat = [name for roles, name in packed(["openai", "anthropic"]) if "chat" in roles]
    assert set(found.model("small").aliases) == {*chat} - {"gpt-4o"}
    assert found.model("coder").aliases == ("gpt-4o",)
    assert "text-embedding-3-small" in found.model("embed").aliases
    assert not [name for name in found.external["far"].aliases if name in chat]


def test_names_that_differ_by_letter_case_alone_are_refused_on_the_second_edition():
    text = '[models.Coder]\nmodel="a.gguf"\n[models.b]\nmodel="b.gguf"\naliases=["coder", "B"]'
    found = [(item.code, item.key) for item in names.findings(config(text, head=NEW))]
    assert found == [("names.letter-case", ("models", "b", "aliases", 0))]
    assert [*names.findings(config(text))] == []


def test_small_letters_are_one_rule_of_the_second_edition():
    text = '[models.Coder]\nmodel="a.gguf"\n'
    assert library(text, NEW).spellings(("Coder", "x")) == ("coder",)
    assert library(text).spellings(("Coder", "x")) == ()


def test_prefixed_names_have_plans():
    plan = plans.plan('[naming]\nprefix = "ls/"\n' + TWO)
    assert [item.name for item in plan.placements] == ["ls/coder", "ls/small", "ls/embed"]
