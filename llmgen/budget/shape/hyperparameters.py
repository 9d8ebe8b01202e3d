"""What a model's layers look like: heads, widths, windows and state, layer by layer."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.builds import DEFAULT, Rule
from llmgen.budget.builds import rules as build_rules
from llmgen.budget.settings import SettingRefused
from llmgen.budget.shape.architectures import Architecture, Family, architecture
from llmgen.budget.shape.contradictions import refuse_counts, refuse_zeros
from llmgen.budget.shape.header import MOST_LAYERS, Header
from llmgen.budget.shape.indexer import indexed_layers, indexer_width
from llmgen.budget.shape.recurrent import RecurrentRows, recurrent_layers, state_rows
from llmgen.budget.shape.window import Spread, spread_windows
from llmgen.facts.gguf_facts import GgufFacts

_FUSED_EXPERTS: Final = ".ffn_gate_up_exps."


class Hyperparameters(Struct, frozen=True):
    """The header in the form in which the cache and the graphs are sized.

    The tuples have one element for each of ``layers``; the last ``nextn`` layers are MTP blocks.
    ``owners`` is how many layers from the first on have a cache of their own.
    """

    name: str
    rules: Architecture
    build: frozenset[Rule]
    header: Header
    layers: int
    blocks: int
    nextn: int
    embedding: int
    vocabulary: int
    heads: tuple[int, ...]
    kv_heads: tuple[int, ...]
    feed_forward: tuple[int, ...]
    key_length: int
    value_length: int
    key_length_window: int
    value_length_window: int
    mla: bool
    owners: int
    windows: Spread
    recurrent: tuple[bool, ...]
    rows: RecurrentRows
    indexer_width: int
    indexed: tuple[bool, ...]
    # Whether gate and up of its experts are one tensor, and so one product.
    fused_experts: bool = False

    @property
    def trunk(self) -> int:
        """How many layers the main context runs."""
        return self.layers - self.nextn

    @property
    def behind(self) -> bool:
        """Whether there are nextn blocks behind a trunk."""
        return 0 < self.trunk < self.layers

    def attends(self, layer: int) -> bool:
        """Whether a layer has attention; hybrids have layers of feed-forward alone, too."""
        if not any(self.recurrent):
            return True
        return self.kv_heads[layer] > 0 and (self.rules.beside or not self.recurrent[layer])

    def key_width(self, layer: int) -> int:
        """Elements of one K row."""
        windowed = self.windows.layers[layer]
        return (self.key_length_window if windowed else self.key_length) * self.kv_heads[layer]

    def value_width(self, layer: int) -> int:
        """Elements of one V row."""
        windowed = self.windows.layers[layer]
        return (self.value_length_window if windowed else self.value_length) * self.kv_heads[layer]

    def indexer_row(self, layer: int) -> int:
        """Elements of an indexer's row; those of a layer with a window are as its K rows are.

        ``llama_kv_cache_dsa`` changes the length of full layers alone.
        """
        return self.key_length_window if self.windows.layers[layer] else self.indexer_width


def hyperparameters(
    facts: GgufFacts, build: int = DEFAULT, *, nextn_loaded: bool = True
) -> Hyperparameters:
    """Read ``facts`` by the rules of its architecture and of a build."""
    steps = build_rules(build, facts.architecture)
    header, rules = Header(facts.hyperparameters), architecture(facts.architecture)
    name, blocks = facts.architecture, header.needed("block_count")
    if not 0 < blocks <= MOST_LAYERS:
        raise SettingRefused("model", f"`block_count` is {blocks}, the server takes 1 to 512")
    refuse_counts(header)
    nextn = min(header.count("nextn_predict_layers"), blocks)
    compressed = rules.family is Family.COMPRESSED
    if Rule.NEXTN_UNKNOWN in steps or (compressed and not nextn_loaded):
        nextn = 0
    heads = header.layered("attention.head_count", blocks)
    kv_heads = heads
    if "attention.head_count_kv" in header:
        kv_heads = header.layered("attention.head_count_kv", blocks)
    feed_forward = header.layered("feed_forward_length", blocks)
    key, value = _head_sizes(rules, header, heads[0])
    refuse_zeros(
        facts,
        {
            "attention.head_count": heads,
            "attention.head_count_kv": kv_heads,
            "attention.key_length": (header.count("attention.key_length"),) * blocks,
            "attention.value_length": (header.count("attention.value_length"),) * blocks,
            "feed_forward_length": feed_forward,
        },
    )
    trunk = blocks - nextn
    recurrent = recurrent_layers(rules, header, trunk, kv_heads, feed_forward)
    if rules.latent_values:
        value = header.needed("attention.kv_lora_rank")
    found = Hyperparameters(
        name=name,
        rules=rules,
        build=steps,
        header=header,
        layers=blocks,
        blocks=blocks,
        nextn=nextn,
        embedding=header.needed("embedding_length"),
        vocabulary=facts.vocabulary or header.count("vocab_size"),
        heads=heads,
        kv_heads=kv_heads,
        feed_forward=feed_forward,
        key_length=key,
        value_length=value,
        key_length_window=header.count("attention.key_length_swa", key),
        value_length_window=header.count("attention.value_length_swa", value),
        mla=_is_latent(rules, header),
        owners=_owners(rules, header, blocks),
        windows=spread_windows(
            rules,
            header,
            trunk,
            recurrent,
            lists=Rule.LISTED_PATTERN_IGNORED not in steps,
        ),
        recurrent=recurrent,
        rows=state_rows(rules, header, heads[0], key),
        fused_experts=any(_FUSED_EXPERTS in group.pattern for group in facts.tensors),
        indexer_width=indexer_width(rules, header, steps),
        indexed=indexed_layers(rules, header, blocks, nextn, steps),
    )
    return _reshaped(found)


def _head_sizes(rules: Architecture, header: Header, first_heads: int) -> tuple[int, int]:
    if not first_heads and not rules.headless_first:
        return 0, 0
    width = header.needed("embedding_length")
    default = width // first_heads if first_heads else 0
    key = header.count("attention.key_length", default)
    return key, header.count("attention.value_length", default)


def _is_latent(rules: Architecture, header: Header) -> bool:
    sizes = ("attention.key_length_mla", "attention.value_length_mla")
    return rules.mla and all(header.count(key) for key in sizes)


def _owners(rules: Architecture, header: Header, blocks: int) -> int:
    if rules.shares:
        return blocks - min(blocks, header.count("attention.shared_kv_layers"))
    return min(blocks, rules.owners or blocks)


def _reshaped(found: Hyperparameters) -> Hyperparameters:
    if found.rules.router:
        return _with_router(found)
    if found.rules.loops:
        return _repeated(found, max(1, found.header.count("num_loops", 1)))
    return found


def _with_router(found: Hyperparameters) -> Hyperparameters:
    """One more layer with one head, behind the trunk, that routes; it is placed as others are."""
    trunk = found.trunk
    spread = replace(found.windows, layers=(*found.windows.layers[:trunk], False))
    return replace(
        found,
        layers=trunk + 1,
        blocks=trunk + 1,
        owners=trunk + 1,
        nextn=1,
        heads=(*found.heads[:trunk], 1),
        kv_heads=(*found.kv_heads[:trunk], 1),
        feed_forward=(*found.feed_forward[:trunk], 0),
        recurrent=(*found.recurrent[:trunk], False),
        windows=spread,
    )


def _repeated(found: Hyperparameters, loops: int) -> Hyperparameters:
    """Every layer runs ``loops`` times, each time with its own cache."""
    if found.layers * loops > MOST_LAYERS:
        raise SettingRefused("model", f"{found.layers} layers x {loops} loops are more than 512")
    return replace(
        found,
        layers=found.layers * loops,
        owners=found.owners * loops,
        heads=found.heads * loops,
        kv_heads=found.kv_heads * loops,
        feed_forward=found.feed_forward * loops,
        recurrent=found.recurrent * loops,
        windows=replace(found.windows, layers=found.windows.layers * loops),
    )
