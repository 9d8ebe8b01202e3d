import pytest
from making import facts

from llmgen.config.tables.sync import Sync
from llmgen.sync.rules import StoreModel, base_name, is_wanted, take


def candidate(label, **shape):
    made = facts(label, **shape)
    return StoreModel(f"file:{label}", label, {"model": label}, made)


def names(*candidates, taken=(), rules=None, options=None):
    return [item.name for item in take(rules or Sync(), options or {}, candidates, taken)]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("qwen3:8b", "qwen3:8b"),
        ("hf.co/org/Repo-GGUF:Q4_K_M", "hf.co/org/Repo-GGUF:Q4_K_M"),
        ("org/repo/Qwen3-8B-Q4_K_M.gguf", "qwen3-8b-q4_k_m"),
        ("Big Model-00001-of-00003.gguf", "big-model"),
        ("ümlaut!.gguf", "mlaut"),
        ("!!.gguf", "model"),
    ],
)
def test_name_is_made_of_what_the_store_calls_it_alone(label, name):
    assert base_name(label) == name


def test_quantisations_are_told_apart_and_equal_names_are_numbered():
    one, two = candidate("a-Q4_K_M.gguf"), candidate("a-Q8_0.gguf", layers=2)
    again = candidate("sub/A-Q4_K_M.gguf", layers=3)
    assert names(one, two, again) == ["a-q4_k_m", "a-q8_0", "a-q4_k_m-2"]
    assert names(one, taken=["A-Q4_K_M"]) == ["a-q4_k_m-2"]


def test_names_whose_files_would_be_called_the_same_are_told_apart():
    assert names(candidate("a-b.gguf"), taken=["a:b"]) == ["a-b-2"]


def test_copy_of_a_model_is_served_once():
    assert names(candidate("a.gguf"), candidate("copy/a.gguf")) == ["a"]


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ({"include": ("qwen*",)}, {"qwen3:8b", "org/Qwen3-8B-Q4.gguf"}),
        ({"include": ("org/*",)}, {"org/Qwen3-8B-Q4.gguf"}),
        ({"exclude": ("*q4*",)}, {"qwen3:8b", "Gemma.gguf"}),
        ({"include": ("GEMMA.GGUF",)}, {"Gemma.gguf"}),
    ],
)
def test_patterns(rules, wanted):
    every = ("qwen3:8b", "org/Qwen3-8B-Q4.gguf", "Gemma.gguf")
    assert {label for label in every if is_wanted(Sync(**rules), label)} == wanted


def test_options_of_patterns_and_roles_apply_in_their_order():
    options = {
        "*": {"ctx_size": "8K", "ttl": 5},
        "*coder*": {"ctx_size": "64K"},
        "rerank": {"n": 1},
    }
    (found,) = take(Sync(prefix="ls/"), options, [candidate("My-Coder.gguf")], ())
    assert found.name == "ls/my-coder"
    assert found.keys == {"model": "My-Coder.gguf", "ctx_size": "64K", "ttl": 5}


def test_role_is_the_headers_and_may_be_left_out():
    encoder = candidate("e.gguf", architecture="bert")
    (found,) = take(Sync(), {"embedding": {"keep": "on_demand"}}, [encoder], ())
    assert found.keys == {"model": "e.gguf", "role": "embedding", "keep": "on_demand"}
    assert names(encoder, rules=Sync(roles=("chat",))) == []


def test_model_with_a_projector_sees():
    one = candidate("a.gguf")
    seeing = StoreModel(one.ref, one.label, {**one.source, "mmproj": "p.gguf"}, one.facts)
    (found,) = take(Sync(roles=("chat",)), {"chat": {"ttl": 5}}, [seeing], ())
    assert (found.keys["role"], found.keys["ttl"]) == ("vision", 5)
