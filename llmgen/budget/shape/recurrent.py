"""Which layers keep recurrent state, and how wide its rows are."""

from __future__ import annotations

from msgspec import Struct

from llmgen.budget.shape.architectures import Architecture, Recurrent, RecurrentWidth
from llmgen.budget.shape.header import Header


class RecurrentRows(Struct, frozen=True):
    """Elements (f32) that one slot keeps in each recurrent layer.

    ``convolution`` and ``state`` are llama.cpp's R and S; ``extra`` belongs to ``extra_layers``
    only.
    """

    convolution: int = 0
    state: int = 0
    extra: int = 0
    extra_layers: frozenset[int] = frozenset()

    def of(self, layer: int) -> int:
        """Elements of one layer's row."""
        extra = self.extra if layer in self.extra_layers else 0
        return self.convolution + self.state + extra


def recurrent_layers(
    rules: Architecture,
    header: Header,
    trunk: int,
    kv_heads: tuple[int, ...],
    feed_forward: tuple[int, ...],
) -> tuple[bool, ...]:
    """Mark the layers with recurrent state; nextn layers never have any."""
    blocks = len(kv_heads)
    match rules.recurrent:
        case Recurrent.ALL:
            return (True,) * blocks
        case Recurrent.NO_KV_HEADS:
            return tuple(il < trunk and heads == 0 for il, heads in enumerate(kv_heads))
        case Recurrent.NO_KV_NO_FF:
            widths = zip(kv_heads, feed_forward, strict=True)
            return tuple(il < trunk and not any(pair) for il, pair in enumerate(widths))
        case Recurrent.INTERVAL:
            listed = header.listed("attention.recurrent_layers")
            if listed:
                return tuple(il < len(listed) and bool(listed[il]) for il in range(blocks))
            every = max(1, header.count("full_attention_interval", rules.interval))
            return tuple(il < trunk and (il + 1) % every != 0 for il in range(blocks))
        case Recurrent.NONE:
            return (False,) * blocks


def state_rows(rules: Architecture, header: Header, heads: int, key_length: int) -> RecurrentRows:
    """The row widths of ``n_embd_r`` and ``n_embd_s`` (src/llama-hparams.cpp)."""
    if rules.recurrent is Recurrent.NONE:
        return RecurrentRows()
    width = header.needed("embedding_length")
    kernel = header.count("ssm.conv_kernel")
    match rules.state:
        case RecurrentWidth.WKV:
            shift = header.count("token_shift_count", 2)
            return RecurrentRows(shift * width, width * header.needed("wkv.head_size"))
        case RecurrentWidth.SHORT_CONV:
            return RecurrentRows(width * max(0, header.needed("shortconv.l_cache") - 1))
        case RecurrentWidth.KDA:
            size = header.needed("kda.head_dim")
            taps = kernel - 1 if kernel else 3
            return RecurrentRows(3 * taps * heads * size, size * size * heads)
        case RecurrentWidth.LINEAR:
            return RecurrentRows(0, key_length * key_length * heads)
        case RecurrentWidth.SSM | RecurrentWidth.SSM_UNGROUPED:
            rows = _state_space(rules, header, kernel)
            return _with_ngrams(rows, header, width) if rules.ngrams else rows


def _state_space(rules: Architecture, header: Header, kernel: int) -> RecurrentRows:
    inner, state = header.count("ssm.inner_size"), header.count("ssm.state_size")
    groups = header.count("ssm.group_count") if rules.state is RecurrentWidth.SSM else 0
    return RecurrentRows(max(kernel - 1, 0) * (inner + 2 * groups * state), state * inner)


def _with_ngrams(rows: RecurrentRows, header: Header, width: int) -> RecurrentRows:
    """Some layers also convolve embeddings of n-grams."""
    layers = header.listed("ple.layers")
    if not layers:
        return rows
    taps = max(0, header.needed("ple.conv_kernel") - 1)
    streams = header.needed("hyper_connection.count")
    extra = taps * header.needed("ple.ngram_size") * streams * width
    return RecurrentRows(rows.convolution, rows.state, extra, frozenset(layers))
