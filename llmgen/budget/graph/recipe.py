"""What differs between the decoders that one description makes (``graph/decoder.py``)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

from llmgen.budget.graph.feedforward import PARALLEL, Experts


class Rope(Enum):
    """Which layers rotate queries and keys by position."""

    EVERY = "every layer"
    NONE = "no layer"
    WINDOWED = "layers with a window"
    WINDOWED_IF_ANY = "layers with a window, or all where none has one"
    WINDOWED_OR_DENSE = "layers with a window, and the dense ones at the front"
    BEHIND_FIRST = "all but the first of each n layers, or all where none has a window"
    LISTED = "layers that the header lists, or all"
    SKIPPED = "all but each n-th layer"
    BY_HEADER = "every layer if the header says so, else none"
    IF_32_LAYERS = "all of a model with 32 layers, none of another"


class Heads(Enum):
    """Where queries and keys are normed, if the model has weights for it."""

    EACH = "each head"
    ROW = "all heads of a row"
    AFTER = "each head, behind the rotation"
    BEHIND = "each head, behind the rotation and without a weight"
    COPIED = "each head, of rows that are copied out of a common product"
    JOINED = "all heads of a row, which are apart before and behind that"


class Warmth(Enum):
    """Which layers multiply queries by how far back they look."""

    NONE = "none"
    UNROTATED = "layers without a rotation"
    BY_HEADER = "all, if the header has a temperature"


# How the gate of shared experts closes: with a sigmoid alone.
SIGMOID: Final = "sigmoid"


class Beside(Enum):
    """What a feed-forward reads."""

    BEHIND = "the sum of stream and attention"
    ATTENTION_INPUT = "what attention read"
    STREAM = "the stream, normed once more"
    BY_HEADER = "the stream if the header says so, else the sum"


# The build whose graphs of drafts were read: models that draft for others, and nextn blocks.
DRAFTS_READ: Final = 11434


class Picks(Enum):
    """Behind what a nextn block goes on with rows of outputs alone."""

    NORM = "the last norm, so that the next draft may read every row of it"
    LAYER = "the layer: the next draft reads it in front of the norm"
    ATTENTION = "attention"
    SUM = "the sum of stream and attention"


class Block(Struct, frozen=True):
    """How a nextn block (``graph_mtp``) differs from a layer of its trunk.

    ``feed_norm``, ``rope`` and ``norm`` (of the last one) are those of the block, where it has
    others; ``special`` is the module of ``graph/special`` that describes it. ``since`` and
    ``until`` are the builds (the last one excluded) whose answers it has met.
    """

    picks: Picks = Picks.NORM
    feed_norm: str = ""
    rope: Rope | None = None
    norm: str = ""
    special: str = ""
    since: int = DRAFTS_READ
    until: int = DRAFTS_READ + 1


class Recipe(Struct, frozen=True):
    """One architecture.

    ``norm`` is the operation of its norms (``header``: RMS_NORM if that has its epsilon).
    ``scaled`` multiplies embeddings: ``""``, ``always``, ``constant``, ``header`` (if the header
    has a scale) or ``rows`` (rows of tokens alone). ``learned`` adds learned positions,
    ``input_norm`` is the tensor of a norm behind them. ``factors`` are read by the rotation.
    ``unnormed`` attention reads the stream itself. ``query_scaled`` and ``warms`` multiply queries,
    ``caps`` bends scores. ``feed_norm`` is the tensor of the norm in front of the feed-forward
    (where it is optional and missing, that reads what attention read), ``post`` those of norms
    behind attention and feed-forward. ``residual_scaled`` (``constant`` or ``header``) multiplies
    what is added to the stream. ``sum`` is the order in which the stream, attention (``added``) and
    the feed-forward are added: the first may be overwritten. ``scales`` reads scales of the
    feed-forward's matrices. ``experts`` says how they are chosen, ``shared_gate`` whether shared
    ones have a gate of their own. ``logits`` are the operations behind the product with the output:
    ``SCALE`` if the header has a scale of logits, ``?`` in front of those that are left out if its
    cap is 0. ``positions`` are numbers for each token (0: four if the header has sections of the
    rotation). ``cached`` attention reads a cache, other the micro-batch alone. ``special`` is the
    module of ``graph/special`` that describes it, where no row can. ``linear`` says that sizes grow
    by the same bytes with each cell, ``linear_from`` as many as the header says. ``since`` and
    ``until`` are the builds (the last one excluded) whose answers it has met. ``mixer`` is what
    layers with state have in the place of attention (``graph/mixers``); layers that do one thing
    ``alone`` have no feed-forward behind it. ``gated`` attention passes a half of its queries.
    ``onto_stream`` adds attention to the stream, not the stream to it. ``normed_first`` computes a
    layer's norm before anything else of it. ``rows_last`` takes the rows of outputs behind the last
    norm, where the last layer computes every token; ``embeds_alone`` has no logits on an embedding
    server. ``projected`` embeddings pass the classifier, if there is one. ``both`` has attention
    beside the mixer in each layer, without a bias behind it. Encoders have ``embeddings`` for their
    only result; ``ranks_mean`` is how they pool for a classifier if the header does not say. Where
    ``norm_optional`` norms are missing, attention reads the stream itself. ``feed_biases`` of the
    feed-forward are read, if there are any. Each layer may have views of inputs, ``own_inputs``.
    Where nothing ``picks`` the rows of outputs, every token has logits. ``sparse`` layers at the
    front have a gate that keeps its largest elements. ``every`` layer is walked: each has leafs of
    its own, which have their places from the start.

    The result of attention passes an ``output_gate`` with a product of its own, for each head or
    for each element as the matrix is; ``inner`` are the tensors of norms in front of the products
    that attention and feed-forward end with. ``values_scaled`` is the key of the header by which
    the result of attention is multiplied. ``post_first`` norms what attention adds before rows of
    outputs are taken. Where files lack shared experts, ``shared_bare`` adds what they read, behind
    the function of their gate (a key of the header: if that is not 0). ``shared_kind`` is how
    shared experts make a hidden row, if not as others; ``halved`` multiplies the sum with them.
    ``limit`` is the key of the header that limits hidden rows of dense and shared feed-forwards,
    layer by layer, in operations of their own. Where not ``output_biased`` or ``heads_biased``,
    biases behind attention, or of Q, K and V, are not read; ``unread`` are other tensors that the
    loader takes and the graph does not read. Where not ``routed``, experts that a file has are not
    computed, but the function of their gate is; so it is in other layers than each n-th, n being
    ``routed_each`` of the header. With ``bare_heads`` experts, heads are not normed behind the
    rotation. ``reads_embedding`` makes logits of the embedding where the input has it.
    ``rows_scaled`` multiplies rows in front of the product with the output; logits of ``images``
    are written over. ``block`` is the nextn block that drafts; without one there is no graph of it.
    Short keys and queries of an indexer pass a matrix if it ``turns_index``. ``fused``
    operations are done in parts where they would run on another device than their layer.
    """

    norm: str = "RMS_NORM"
    scaled: str = ""
    learned: bool = False
    input_norm: str = ""
    rope: Rope = Rope.EVERY
    skipped: int = 4
    factors: bool = False
    unnormed: bool = False
    heads: Heads = Heads.EACH
    head_norm: str = ""
    bare_heads: int = 0
    clamped: bool = False
    query_scaled: bool = False
    warms: Warmth = Warmth.NONE
    sinks: bool = False
    caps: int = 0
    beside: Beside = Beside.BEHIND
    feed_norm: str = "ffn_norm"
    feed_norm_optional: bool = False
    post: tuple[str, str] = ("", "")
    residual_scaled: str = ""
    kind: str = PARALLEL
    scales: bool = False
    experts: Experts = Experts()
    shared_gate: bool | str = False
    output_norm: str = "output_norm"
    logits: tuple[str, ...] = ()
    sum: tuple[str, ...] = ("feed", "stream")
    positions: int = 1
    mixed: bool = True
    cached: bool = True
    mixer: str = ""
    alone: bool = False
    gated: bool = False
    onto_stream: bool = False
    normed_first: bool = False
    rows_last: bool = False
    embeds_alone: bool = False
    projected: bool = False
    both: bool = False
    embeddings: bool = False
    ranks_mean: bool = False
    norm_optional: bool = False
    feed_biases: bool = True
    own_inputs: bool = False
    block: Block | None = None
    picks: bool = True
    sparse: int = 0
    turns_index: bool = True
    fused: tuple[str, ...] = ()
    output_gate: bool = False
    inner: tuple[str, str] = ("", "")
    values_scaled: str = ""
    post_first: bool = False
    shared_kind: str = ""
    shared_bare: bool | str = False
    halved: bool = False
    limit: str = ""
    output_biased: bool = True
    heads_biased: bool = True
    routed: bool = True
    routed_each: str = ""
    rows_scaled: bool = False
    images: bool = False
    reads_embedding: bool = False
    unread: tuple[str, ...] = ()
    every: bool = False
    linear: bool = True
    linear_from: str = ""
    special: str = ""
    since: int = 9464
    until: int = 10**9
