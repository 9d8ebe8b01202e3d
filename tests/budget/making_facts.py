"""Facts of models for budget tests, from plain header values."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

from llmgen.budget.compute.ground import describe_scene, layers_of, scene_of
from llmgen.budget.context import context
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import INPUT, Tensor
from llmgen.budget.memory import HOST
from llmgen.budget.settings import ServerSettings
from llmgen.facts.gguf_facts import GgufFacts, HeaderValue, TensorGroup

WIDTHS = {"f32": 4, "f16": 2}
VECTORS = json.loads((Path(__file__).parent / "data" / "vectors.json").read_text())


def facts(
    architecture: str,
    values: dict[str, object],
    vocabulary: int = 32000,
    tensors: tuple[TensorGroup, ...] = (),
) -> GgufFacts:
    """Facts of one model; lists become tuples, as the reader makes them."""
    header: dict[str, HeaderValue] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return GgufFacts(architecture, header, vocabulary, tensors, ())


def published(name: str) -> GgufFacts:
    """A model of the worked vectors."""
    shape = VECTORS["shapes"][name]
    return facts(shape["architecture"], shape["values"], shape["vocabulary"])


def group(pattern: str, size: int, layers: int = 0) -> TensorGroup:
    """Tensors of one pattern in the first ``layers`` layers."""
    return TensorGroup(pattern, "f16", (size // 2,), tuple(range(layers)), size)


def llama(layers: int = 4, **more: object) -> GgufFacts:
    """A small model with weights: 100 000 B a layer, 64 000 B of experts, tied nothing."""
    values: dict[str, object] = {
        "block_count": layers,
        "embedding_length": 256,
        "feed_forward_length": 512,
        "context_length": 4096,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        **more,
    }
    tensors = (
        group("token_embd.weight", 320_000),
        group("output.weight", 640_000),
        group("output_norm.weight", 1024),
        group("rope_freqs.weight", 128),
        group("blk.#.attn_q.weight", 100_000, layers),
        group("blk.#.ffn_up_exps.weight", 64_000, layers),
    )
    return facts("llama", values, 500, tensors)


def shaped(
    architecture: str, values: dict[str, object], shapes: dict[str, tuple[int, ...]]
) -> GgufFacts:
    """A model with tensors of these shapes; those of layers are named without their prefix."""
    blocks = int(str(values["block_count"]))
    tensors = []
    for name, shape in shapes.items():
        outside = name.startswith(("token_", "output", "rope_", "cls", "position_", "dense_"))
        pattern, layers = (name, ()) if outside else (f"blk.#.{name}", tuple(range(blocks)))
        kind = "f16" if len(shape) > 1 else "f32"
        tensors.append(TensorGroup(pattern, kind, shape, layers, prod(shape) * WIDTHS[kind]))
    return facts(architecture, values, 500, tuple(tensors))


def described(model: GgufFacts, build: int = 11434, **settings: object) -> Scene:
    """The graph of one micro-batch, before it is scheduled: 512 tokens, 4096 cells."""
    asked = ServerSettings(**{"ctx_size": 4096, "parallel": 1, **settings})
    ground = context(model, asked, build).ground
    scene = scene_of(ground, (*ground.placement.devices, HOST), layers_of(ground))
    describe_scene(scene, ground.recipe)
    return scene


def named(scene: Scene, said: str) -> Tensor:
    """The first tensor that llama.cpp calls so."""
    return next(item for item in (*scene.b.leafs, *scene.b.nodes) if item.said == said)


def nodes(scene: Scene, op: str, layer: int | None = None) -> list[Tensor]:
    """Nodes of an operation; of one layer, if they are called by it."""
    found = (item for item in scene.b.nodes if item.op == op)
    return [item for item in found if layer is None or item.layer == layer]


def inputs(scene: Scene) -> dict[str, Tensor]:
    """What the program writes, by name."""
    return {leaf.name: leaf for leaf in scene.b.leafs if leaf.flags & INPUT}
