"""A model and what drafts for it, of random shapes, and what the real server says that both take.

``python -m oracle.drafters FIRST LAST`` (from ``tests/``) asks for a pair of each kind and seed in
between, and prints those of which our figures differ.
"""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import readers
from gguf_writer import Tensor, Typed, llama, write_gguf

from llmgen.budget.compute.buffers import Computed, compute_buffers
from llmgen.budget.context import Context
from llmgen.budget.drafting import contexts
from llmgen.facts.local import read_model
from oracle.block_drafts import dflash, dflash2, dspark
from oracle.drafted_pair import Pair, settings, written

BUILD = 11434
# The log has two decimals.
ROUNDED_MIB = 0.006

# More than a slot has room for is cut by the server; both batches and slots are filled by this.
_PROMPT = [5, 6, 7] * 40
_SIZE = re.compile(r"compute buffer size = +([\d.]+) MiB")


def eagle3(source: random.Random, folder: Path) -> Pair:
    """A llama model and an EAGLE-3 head with matrices of its own, or without."""
    vocab, heads, head = source.choice((1000, 8000, 32000)), source.choice((4, 8)), 64
    width, shared, layers = heads * head, source.choice((1, 2, 4)), source.choice((4, 6))
    metadata, tensors = llama(
        layers=layers,
        embedding=width,
        heads=heads,
        heads_kv=shared,
        feed_forward=512,
        context=8192,
        vocabulary_size=vocab,
    )
    target = write_gguf(folder / "target.gguf", metadata, tensors, data="zero")
    name, forward = "eagle3", source.choice((256, 1024))
    values = {
        "block_count": 1,
        "context_length": 8192,
        "embedding_length": width,
        "feed_forward_length": forward,
        "attention.head_count": heads,
        "attention.head_count_kv": shared,
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": head,
        "vocab_size": vocab,
        "target_layers": Typed("i32", sorted(source.sample(range(1, layers), 3))),
        "target_hidden_size": width,
        "norm_before_residual": source.random() < 0.5,
    }
    own = {
        "fc": (3 * width, width),
        "output_norm": (width,),
        "blk.0.attn_norm": (width,),
        "blk.0.attn_norm_2": (width,),
        "blk.0.attn_q": (2 * width, width),
        "blk.0.attn_k": (2 * width, shared * head),
        "blk.0.attn_v": (2 * width, shared * head),
        "blk.0.attn_output": (width, width),
        "blk.0.ffn_norm": (width,),
        "blk.0.ffn_gate": (width, forward),
        "blk.0.ffn_up": (width, forward),
        "blk.0.ffn_down": (forward, width),
    }
    fewer = source.choice((0, vocab // 4))
    if fewer or source.random() < 0.5:
        own["output"] = (width, fewer or vocab)
    if source.random() < 0.5:
        own["token_embd"] = (width, vocab)
    places = [Tensor("d2t", (fewer,), "i64")] if fewer else []
    draft = written(folder / "draft.gguf", name, values, own, vocab, places)
    return Pair(target, draft, settings(source, "draft-eagle3"))


def assistant(source: random.Random, folder: Path) -> Pair:
    """A gemma4 model and an assistant that reads its cache."""
    vocab, heads = source.choice((2000, 32000)), source.choice((4, 8))
    full, near = source.choice((128, 256)), source.choice((64, 128))
    shared = {True: source.choice((2, 4)), False: source.choice((1, 2))}
    wide, layers = source.choice((256, 512)), source.choice((4, 6))

    def made(name: str, count: int, width: int, forward: int, more: dict[str, object]) -> Path:
        near_layers = [(il + 1) % 3 != 0 for il in range(count - 2)] + [True, False]
        values = {
            "block_count": count,
            "context_length": 8192,
            "embedding_length": width,
            "feed_forward_length": forward,
            "attention.head_count": heads,
            "attention.head_count_kv": Typed("i32", [shared[is_near] for is_near in near_layers]),
            "attention.key_length": full,
            "attention.value_length": full,
            "attention.key_length_swa": near,
            "attention.value_length_swa": near,
            "attention.sliding_window": 512,
            "attention.sliding_window_pattern": Typed("bool", near_layers),
            "attention.layer_norm_rms_epsilon": 1e-6,
            "attention.shared_kv_layers": 0,
            "embedding_length_per_layer_input": 0,
            "rope.dimension_count": full,
            "rope.dimension_count_swa": near,
            "vocab_size": vocab,
            **more,
        }
        own = {
            "token_embd": (width, vocab),
            "output_norm": (width,),
            "rope_freqs": (full // 2,),
        }
        if more:
            own["nextn.post_projection"] = (width, wide)
            own["nextn.pre_projection"] = (2 * wide, width)
        for il, is_near in enumerate(near_layers):
            head = near if is_near else full
            shapes = {
                "attn_norm": (width,),
                "attn_q": (width, heads * head),
                "attn_q_norm": (head,),
                "attn_output": (heads * head, width),
                "post_attention_norm": (width,),
                "layer_output_scale": (1,),
                "ffn_norm": (width,),
                "ffn_gate": (width, forward),
                "ffn_up": (width, forward),
                "ffn_down": (forward, width),
                "post_ffw_norm": (width,),
            }
            if not more:
                rows = shared[is_near] * head
                shapes |= {"attn_k": (width, rows), "attn_v": (width, rows), "attn_k_norm": (head,)}
            own |= {f"blk.{il}.{part}": shape for part, shape in shapes.items()}
        return written(folder / f"{name}.gguf", name, values, own, vocab)

    target = made("gemma4", layers, wide, 1024, {})
    count = source.choice((2, 4))
    more: dict[str, object] = {"embedding_length_out": wide, "nextn_predict_layers": count}
    draft = made("gemma4-assistant", count, source.choice((128, 384)), 512, more)
    return Pair(target, draft, settings(source, "draft-mtp"))


def reported_mib(pair: Pair, said: list[str] | None = None) -> tuple[float, float]:
    """The compute buffers of both contexts, once the server has answered with drafts.

    What it ``said`` is written into that list.

    Each reserves anew when its samplers are known, the first one also when the second reads of it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [readers.find("llama-server"), *pair.words(), "--port", str(port), "--no-warmup", "-v"]
    said = [] if said is None else said
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    listens = threading.Thread(target=_heard, args=(server.stdout, said), daemon=True)
    listens.start()
    try:
        end = time.monotonic() + 180
        while not any("listening on http" in line for line in said):
            assert server.poll() is None, "".join(said[-20:])
            assert time.monotonic() < end, "".join(said[-20:])
            time.sleep(0.05)
        before = len(_sizes(said))
        body = json.dumps({"prompt": _PROMPT, "n_predict": 8}).encode()
        url = f"http://127.0.0.1:{port}/completion"
        ask = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(ask, timeout=300) as answer:
            answer.read()
    finally:
        server.kill()
        server.wait()
        listens.join()
        server.stdout.close()
    sizes = _sizes(said)
    return sizes[-1] if len(sizes) > before else sizes[0], sizes[before - 1]


def contexts_of(pair: Pair) -> list[Context]:
    """The model's, and that of what drafts for it."""
    draft = read_model(pair.draft) if pair.draft else None
    return [*contexts(read_model(pair.target), pair.settings, BUILD, draft)]


def computed(found: list[Context]) -> list[Computed]:
    """What we have for both contexts."""
    return [compute_buffers(item.ground) for item in found]


def ours_mib(made: list[Computed]) -> list[float]:
    """Their compute buffers on the host."""
    return [item.buffers["host"].bytes / 2**20 for item in made]


def main() -> None:
    """Ask, and count."""
    asked = different = 0
    for seed in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
        for kind in (eagle3, assistant, dflash, dspark, dflash2):
            with tempfile.TemporaryDirectory() as folder:
                pair = kind(random.Random(seed), Path(folder))
                ours, theirs = ours_mib(computed(contexts_of(pair))), reported_mib(pair)
            asked += 1
            if any(abs(a - b) > ROUNDED_MIB for a, b in zip(ours, theirs, strict=True)):
                different += 1
                print(kind.__name__, seed, ours, theirs, pair.settings)
    print(f"{asked} pairs, {different} differ")


def _heard(pipe: IO[str], said: list[str]) -> None:
    for line in pipe:
        said.append(line)  # noqa: PERF402 - they are looked at meanwhile


def _sizes(said: list[str]) -> list[float]:
    return [float(found[1]) for line in tuple(said) if (found := _SIZE.search(line))]


if __name__ == "__main__":
    main()
