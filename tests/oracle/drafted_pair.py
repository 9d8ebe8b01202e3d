"""What one server runs, a model and what drafts for it, and its options."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

from gguf_writer import Tensor, vocabulary, write_gguf

from llmgen.budget.settings import DraftSettings, ServerSettings


class Pair(NamedTuple):
    """Two files, or one whose own nextn block drafts, and how one server runs them."""

    target: Path
    draft: Path | None
    settings: ServerSettings

    def words(self) -> list[str]:
        """The options of llama-server."""
        told, draft = self.settings, self.settings.draft or DraftSettings()
        found: dict[str, object] = {
            "--model": self.target,
            **({"--model-draft": self.draft} if self.draft else {}),
            "--spec-type": draft.spec_type,
            "--ctx-size": told.ctx_size,
            "--ubatch-size": told.ubatch_size,
            "--parallel": told.parallel,
            "--flash-attn": told.flash_attn,
            "--cache-type-k": told.cache_type_k,
            "--cache-type-v": told.cache_type_v,
            "--spec-draft-n-max": draft.n_max,
            "--cache-type-k-draft": draft.cache_type_k,
            "--cache-type-v-draft": draft.cache_type_v,
            "--device": "none",
            "--fit": "off",
            # Threads that wait for one another are slow beside other work.
            "--threads": 1,
        }
        return [str(word) for pair in found.items() for word in pair]


def settings(source: random.Random, spec: str, *, n_max: int = 3) -> ServerSettings:
    """Options that move compute buffers."""
    flash = source.choice(("on", "off"))
    kind = source.choice(("f16", "q8_0", "q8_0")) if flash == "on" else "f16"
    return ServerSettings(
        ctx_size=source.choice((2048, 4096, 8192)),
        ubatch_size=source.choice((64, 128, 512)),
        parallel=source.choice((1, 2, 4)),
        flash_attn=flash,
        cache_type_k=kind,
        cache_type_v=kind,
        devices=(),
        draft=DraftSettings(spec_type=spec, n_max=n_max),
    )


def written(
    path: Path,
    name: str,
    values: dict[str, object],
    shapes: dict[str, tuple[int, ...]],
    vocab: int,
    more: list[Tensor] | None = None,
) -> Path:
    """A file of zeros: values of its architecture, shapes of tensors without their suffix."""
    own = {f"{name}.{key}": value for key, value in values.items()}
    metadata = {"general.architecture": name, "general.name": name, **own, **vocabulary(vocab)}
    metadata["tokenizer.ggml.mask_token_id"] = 3  # stands for tokens that are to be drafted
    tensors = [
        Tensor(f"{part}.weight", shape, "f32" if len(shape) == 1 else "f16")
        for part, shape in shapes.items()
    ]
    return write_gguf(path, metadata, [*(more or []), *tensors], data="zero")
