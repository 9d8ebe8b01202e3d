"""What an indexer of an architecture without a recipe may take: scores, the best of them, masks.

Three kinds, as in qwen4exp.cpp (blocks of tokens by pooled keys, shown one by one), deepseek4.cpp
(compressed rows, of which the best are shown) and minimax-m3.cpp (blocks for each head) of b11434.
Where scores were not fused, each head has its own.
"""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.shape.architectures import Family

# Products that make an indexer's queries: of the stream, and of latent queries.
_OF_STREAM = "indexer.q_proj.weight"
_OF_LATENT = "indexer.attn_q_b.weight"
_POOLED = "attention.indexer.kpool"
# Keys are pooled by gates of their own.
_GATE = "indexer_compressor_gate.weight"


def choose(scene: Scene, mask: Tensor, source: Tensor, positions: Tensor, layer: int) -> None:
    """Add the indexer of a layer to the graph, if it has one; ``mask`` is that of its cache."""
    found = scene.weight(_OF_STREAM, layer) or scene.weight(_OF_LATENT, layer)
    if found is None:
        return
    b, header = scene.b, scene.model.header
    if found.ne[0] != source.ne[0] and (down := scene.weight("attn_q_a.weight", layer)):
        source = b.mul_mat(down, source)
    width = max(1, header.count("attention.indexer.key_length"))
    heads = max(1, found.ne[1] // width)
    queries = b.reshape(b.mul_mat(found, source), width, heads, scene.tokens)
    queries = scene.call(b.rope(queries, positions), "indexer_q", layer)
    if header.count("attention.indexer.block_size"):
        if scene.setting.flash and (scene.slots == 1 or scene.streams > 1):
            _blocks_of_heads(scene, mask, queries, layer)
        return
    cells, pool = mask.ne[0] * mask.ne[3], _pool(scene, layer)
    fused = not scene.follows(Rule.UNFUSED_INDEXER)
    # Slots that share cells have blocks of their own.
    sharing = scene.slots // scene.streams if fused and header.count(_POOLED) else 1
    blocks = max(1, cells // pool) * sharing
    scores = (_scores if fused else _scores_of_heads)(scene, queries, source, blocks, layer)
    count = max(1, min(scores.ne[0], header.count("attention.indexer.top_k") // pool))
    best = b.made("TOP_K", "i32", (count, scene.tokens), scores)
    scene.call(best, "indexer_top_k", layer)
    if scene.model.rules.family is Family.COMPRESSED:
        _show(scene, best, best, scores, scores.ne[0], layer)
        if not scene.setting.flash:
            _attend(scene, source, blocks, layer)
    else:
        chosen = b.made("GET_ROWS", "i32", (pool * count, scene.tokens), best)
        b.expand(scene.call(chosen, "indexer_sel_idx", layer))
        _show(scene, chosen, best, scores, cells, layer)


def _attend(scene: Scene, source: Tensor, blocks: int, layer: int) -> None:
    """Attention to compressed rows beside those of the window."""
    b, counts = scene.b, scene.setting.counts
    ne = (counts.window_cells + blocks, scene.tokens, scene.model.heads[layer])
    scores = scene.call(b.made("MUL_MAT", "f32", ne, source), "kq", layer)
    b.expand(scene.call(b.cont(b.softmax(scores)), "kq_soft_max", layer))


def _pool(scene: Scene, layer: int) -> int:
    """Tokens of one key."""
    header = scene.model.header
    ratios = header.listed("attention.compress_ratios")
    ratio = ratios[layer] if layer < len(ratios) else 0
    return max(1, header.count(_POOLED), ratio)


def _scores(scene: Scene, queries: Tensor, source: Tensor, blocks: int, layer: int) -> Tensor:
    """What each block is to every token."""
    b, width = scene.b, queries.ne[0]
    keys = scene.call(b.made("GET_ROWS", "f32", (width, 1, blocks), source), "indexer_k", layer)
    mask = b.input("indexer_pool_mask", "f16", blocks, scene.tokens)
    scores = b.made("LIGHTNING_INDEXER", "f32", (blocks, scene.tokens), queries, keys, mask)
    return scene.call(scores, "indexer_score", layer)


def _scores_of_heads(
    scene: Scene, queries: Tensor, source: Tensor, blocks: int, layer: int
) -> Tensor:
    """The same from scores of each head."""
    b, (width, heads, tokens) = scene.b, queries.ne[:3]
    keys = scene.call(b.made("GET_ROWS", "f32", (width, blocks), source), "indexer_k", layer)
    scores = b.made("MUL_MAT", "f32", (blocks, tokens, heads), keys, queries)
    scores = b.unary(b.cont(scene.call(scores, "indexer_kq", layer), heads, tokens, blocks))
    scores = b.cont(b.sum_rows(scores), blocks, tokens)
    return scene.call(scores, "indexer_score", layer)


def _show(  # noqa: PLR0917 - what build_qsa_sel reads
    scene: Scene, chosen: Tensor, best: Tensor, scores: Tensor, cells: int, layer: int
) -> None:
    """A mask that hides all but what was chosen; rows that are not there go behind it."""
    b, tokens, count = scene.b, scene.tokens, chosen.ne[0]
    wide = cells + count
    every = b.repeat(b.filled("f16", wide), wide, tokens)
    zeros = b.repeat(b.filled("f16", count), count, tokens)
    live = b.made("GET_ROWS", "f32", (best.ne[0], tokens), scores, best)
    if scene.weight(_GATE, layer):  # these are chosen in order, and an input says how many
        b.expand(b.argsort(live))
        live = b.unary(b.input("indexer_gather_mask", "f32", count, tokens))
    else:
        live = b.repeat(b.each("CLAMP", b.scale(live)), count, tokens)
    dump = b.scale(b.made("CUMSUM", "f32", (count, tokens), b.each("FILL", live)))
    places = b.each("SUB", b.cast(chosen, "f32"), dump)
    places = b.cast(b.add(b.mul(places, live), dump), "i32")
    rows = b.reshape(every, 1, wide, tokens)
    shown = b.set_rows(rows, b.reshape(zeros, 1, count, tokens), places)
    # Scores are read to the end: that may be, and is more.
    shown = b.made("ADD", "f16", (cells, tokens), shown, scores)
    b.expand(scene.call(shown, "indexer_sel", layer))


def _blocks_of_heads(scene: Scene, mask: Tensor, queries: Tensor, layer: int) -> None:
    """Scores of every head for each token, and masks of the best blocks; slot by slot."""
    b, (width, heads, tokens) = scene.b, queries.ne[:3]
    cells, each = mask.ne[0], tokens // scene.streams
    blocks = max(1, cells // scene.model.header.count("attention.indexer.block_size"))
    wide = b.cast(mask, "f32")
    bias = b.input("msa_bias", "f32", blocks, tokens)
    places = b.input("msa_pos_mask", "f32", cells, tokens)
    for _ in range(scene.streams):
        keys = b.made("GET_ROWS", "f32", (width, cells), queries)
        scores = b.made("MUL_MAT", "f32", (cells, heads, each), keys, queries)
        scores = b.in_place("ADD", scores, places)
        scores = b.made("POOL_2D", "f32", (blocks, heads, each), scores)
        scores = scene.call(b.add(scores, bias), "msa_bsf", layer)
        best = b.made("TOP_K", "i32", (blocks, heads, each), scores)
        hidden = b.repeat(b.cast(b.scale(bias), "f16"), blocks, heads, each)
        shown = b.set_rows(hidden, b.scale(b.cast(best, "f32")), best)
        shown = b.cont(shown, blocks, each, heads)
        shown = b.cont(shown, each * heads, blocks)
        shown = b.made("GET_ROWS", "f32", (each * heads, cells), shown)
        shown = b.in_place("ADD", b.cont(shown, cells, each, heads), wide)
        b.expand(scene.call(b.cast(shown, "f16"), "msa_mask4", layer))
