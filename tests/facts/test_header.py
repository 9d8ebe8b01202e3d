import pytest
from byte_source import Bytes
from gguf_writer import Tensor, Typed, gguf, llama

from llmgen.errors import InputError
from llmgen.facts.gguf import read_header
from llmgen.facts.gguf_facts import ModelFile
from llmgen.facts.header import describe

FILES = [ModelFile("model.gguf", 1)]


def facts(metadata, tensors=()):
    return describe([read_header(Bytes(gguf(metadata, tensors), size=10**9))], FILES)


def test_hyperparameters_lose_the_prefix_of_the_architecture():
    found = facts({"general.architecture": "qwen3", "qwen3.block_count": 3, "llama.block_count": 4})
    assert found.hyperparameters == {"block_count": 3}


def test_values_that_nobody_reads_are_not_kept():
    found = facts({"general.architecture": "llama", "general.name": "n", "general.url": "u"})
    assert found.hyperparameters == {"general.name": "n"}


def test_layers_of_one_shape_and_type_are_one_group():
    names = ["blk.1.attn_k.weight", "blk.0.attn_k.weight", "blk.2.attn_k.weight"]
    tensors = [Tensor(name, (256, 4), "q4_K") for name in names[:2]] + [
        Tensor(names[2], (256, 4), "q6_K")
    ]
    found = facts({"general.architecture": "llama"}, tensors).tensors
    assert [(group.pattern, group.type, group.layers, group.bytes_total) for group in found] == [
        ("blk.#.attn_k.weight", "q4_K", (0, 1), 2 * 4 * 144),
        ("blk.#.attn_k.weight", "q6_K", (2,), 4 * 210),
    ]


def test_only_the_number_of_the_layer_is_a_pattern():
    names = [
        "blk.3.ffn_gate.5.weight",
        "v.blk.0.ln1.weight",
        "mm.2.weight",
        "blk.007.x",
        "xblk.1.y",
    ]
    found = facts({"general.architecture": "llama"}, [Tensor(name, (32,)) for name in names])
    assert [group.pattern for group in found.tensors] == [
        "blk.#.ffn_gate.5.weight", "blk.007.x", "mm.2.weight", "v.blk.#.ln1.weight", "xblk.1.y",
    ]  # fmt: skip


def test_sizes_of_the_groups_add_up_to_the_tensors():
    metadata, tensors = llama(layers=5)
    found = facts(metadata, tensors)
    assert sum(group.bytes_total for group in found.tensors) == sum(item.size for item in tensors)
    assert sum(group.count for group in found.tensors) == len(tensors)


@pytest.mark.parametrize(
    ("metadata", "vocabulary"),
    [
        ({"tokenizer.ggml.tokens": ["a", "b", "c"], "llama.vocab_size": 9}, 3),
        ({"llama.vocab_size": 9}, 9),
        ({}, 0),
    ],
)
def test_vocabulary_is_the_tokens_else_the_told_size(metadata, vocabulary):
    assert facts({"general.architecture": "llama", **metadata}).vocabulary == vocabulary


def test_projector_is_described_like_a_model():
    found = facts(
        {
            "general.architecture": "clip",
            "clip.has_vision_encoder": True,
            "clip.vision.block_count": 2,
        },
        [Tensor("v.blk.0.ln1.weight", (32,)), Tensor("v.blk.1.ln1.weight", (32,))],
    )
    assert found.architecture == "clip"
    assert found.hyperparameters == {"has_vision_encoder": True, "vision.block_count": 2}
    assert found.tensors[0].layers == (0, 1)


@pytest.mark.parametrize(
    ("metadata", "tensors", "code"),
    [
        ({}, (), "no-architecture"),
        ({"general.architecture": 4}, (), "no-architecture"),
        ({"general.architecture": ""}, (), "no-architecture"),
        ({"general.architecture": "llama", "split.count": Typed("u16", 3)}, (), "shard-missing"),
        ({"general.architecture": "llama", "split.no": Typed("u16", 1)}, (), "shard-order"),
        ({"general.architecture": "llama"}, [Tensor("blk.#.x", (32,))], "tensor-name"),
    ],
)
def test_header_that_makes_no_model_is_refused(metadata, tensors, code):
    with pytest.raises(InputError) as caught:
        facts(metadata, tensors)
    assert caught.value.diagnostics[0].code == f"facts.{code}"
