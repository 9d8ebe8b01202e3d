"""Fresh shapes: each architecture has a draw, a draw is its seed's, points are what they were when read again."""

import random
from functools import cache

import pytest
import readers

from llmgen.budget.graph.general import is_described
from llmgen.budget.shape.architectures import ARCHITECTURES
from llmgen.facts.local import read_model
from oracle import fresh_table, grid, points
from oracle.comparison import Pair, is_answered
from oracle.draw_files import fused_attention, typed
from oracle.draws import WORDS, architectures, draw_shape
from oracle.grid import Point
from oracle.headers import tensors, write_header
from oracle.shapes import SHAPES

# No server runs them by themselves, or llama.cpp has no graph for them.
NOT_DRAWN = {
    *("clip", "wavtokenizer-dec", "gptj", "eagle3", "dflash", "gemma4-assistant"),
}
# Words that change how others draw.
MARKS = {"rot", "mha", "big", "none", "grouped", "heads", "ff0", "gqa", "msa"}


def test_every_architecture_that_is_served_is_drawn():
    assert set(ARCHITECTURES) - NOT_DRAWN <= set(architectures())


def test_every_word_of_an_architecture_draws_something():
    words = {word.rstrip("?") for found in architectures().values() for word in found}
    assert words - MARKS == set(WORDS)


@pytest.mark.parametrize("name", sorted(architectures()))
def test_a_draw_is_its_seeds(name):
    one, again = (draw_shape(random.Random(7), name) for _ in range(2))
    assert one == again
    assert one.values == again.values
    assert any(draw_shape(random.Random(seed), name).values != one.values for seed in range(8, 12))


def test_points_are_read_as_they_were_written(tmp_path):
    shape = SHAPES["qwen2.5-7b"]
    fresh = points.fresh_shape(shape, tensors(shape))
    answer = {"n_ctx": 4096, "n_ctx_seq": 4096, "memory": [[1, 0, 2]]}
    asked = points.Fresh(0, {"ctx_size": 4096, "parallel": 1, "devices": []}, answer)
    written = points.Points(11434, 5, [fresh], [asked])
    read = points.read(points.write(written, tmp_path / "points.json.xz"))
    (facts, point) = next(iter(read.asked()))
    assert (point.build, point.answer) == (11434, answer)
    assert point.settings.devices == ()
    assert facts.hyperparameters["embedding_length"] == 3584
    model = read_model(write_header(tmp_path / "model.gguf", shape.name))
    assert set(facts.tensors) == set(model.tensors)
    assert facts.vocabulary == model.vocabulary


def test_a_row_counts_what_differs():
    shape = SHAPES["llama-3.2-1b"]
    facts = points.fresh_shape(shape, tensors(shape)).facts()
    point = Point(11434, "llama#0", grid.server_settings({"ctx_size": 4096, "parallel": 1}), {})
    ours = fresh_table.pair_of(facts, point).ours
    host, device = ours.memory
    right = [[item.model, item.context, item.compute] for item in (host, device)]
    wrong = [right[0], [right[1][0] + 1, right[1][1], right[1][2] * 8]]
    row = fresh_table.Row()
    for memory in (right, wrong):
        answer = {"n_ctx": ours.n_ctx, "n_ctx_seq": ours.n_ctx_seq, "memory": memory}
        row.take(Pair(Point(point.build, "llama#0", point.settings, answer), ours))
    row.take(Pair(Point(point.build, "llama#0", point.settings, {"refused": "why"}), ours))
    assert row.refusals == 1
    assert (row.points, row.weights, row.context, row.over) == (3, 1, 0, 1)
    assert sorted(row.bytes) == [0, 0, 0, right[1][2] * 7]


def test_fused_attention_has_all_rows():
    listed = [(f"blk.0.attn_{part}.weight", (64, rows)) for part, rows in (("q", 64), ("k", 16), ("v", 16))]  # fmt: skip
    assert fused_attention([*listed, ("output.weight", (64, 9))]) == [
        ("blk.0.attn_qkv.weight", (64, 96)),
        ("output.weight", (64, 9)),
    ]
    assert typed(listed, draw_shape(random.Random(1), "llama"))[0].shape == (64, 64)


# Its layers are split over devices as if the router were one of them.
UNLIKE = "graniteswitch"


@cache
def recorded():
    """The fresh points that were written down, with our estimates: a third, all in CI."""
    files = sorted(grid.DATA.glob("fresh-b*.json.xz"))
    asked = [one for path in files for one in points.read(path).asked()]
    chosen = asked[:: 1 if readers.required() else 3]
    found = [fresh_table.pair_of(facts, point) for facts, point in chosen]
    return [pair for pair in found if is_answered(pair)]


def differ(index, wanted):
    """The points whose bytes are not the program's, of those that are ``wanted``."""
    found = [pair for pair in recorded() if wanted(pair.point.model.split("#")[0], pair)]
    assert found
    return [pair.point for pair in found if len({*map(tuple, pair.column(index))}) != 1]


def test_fresh_shapes_have_the_weights_and_the_context_of_the_program():
    for index in (0, 1):
        assert differ(index, lambda name, _: name != UNLIKE) == []


def test_fresh_shapes_that_are_replayed_have_the_compute_buffers_of_the_program():
    assert differ(2, lambda name, pair: is_described(name, pair.point.build)) == []
