"""A FLUX model for stable-diffusion.cpp that draws nothing: every tensor there, all of them zeros.

Its loader takes the width and the number of blocks from the shapes (src/flux.hpp `FluxRunner`), and the
decoder's width too (src/auto_encoder_kl.hpp `detect_decoder_ch`), so that both are the least that it
can compute with. CLIP-L and the encoder have their published sizes. The files are holes behind a
header: 320 MB for a reader, a few blocks on the disk.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from pathlib import Path

from safetensors_writer import header

# One head, whose rotary embedding has 16 + 56 + 56 dimensions.
HIDDEN = 128
# What CLIP-L (pooled) and T5 hand over.
POOLED, CONTEXT = 768, 4096
# Two of each side of 16 latent channels are one patch.
LATENT, PATCH = 16, 64
# Channels of the encoder and the decoder, at the size of the picture; 32 groups are normalised.
ENCODER, DECODER = 128, 32
WIDER = (1, 2, 4, 4)
# Without a second pass for what a picture should not be.
ONE_STEP = ("--steps", "1", "--cfg-scale", "1")
Shapes = Iterator[tuple[str, tuple[int, ...]]]


def write_parts(folder: Path) -> dict[str, Path]:
    """The three files by the keys of llm.toml that name them."""
    parts = {"diffusion_model": flux(), "vae": vae(), "clip_l": clip()}
    return {key: _write(folder / f"{key}.safetensors", dict(made)) for key, made in parts.items()}


def write_whole(path: Path) -> Path:
    """All of it in one file, with the names that a whole model has."""
    parts = {
        "model.diffusion_model.": flux(),
        "first_stage_model.": vae(),
        "text_encoders.clip_l.transformer.": clip(),
    }
    made = {prefix + name: shape for prefix, part in parts.items() for name, shape in part}
    return _write(path, made)


def picture_size(answer) -> tuple[int, int]:
    """Width and height of the PNG in an answer of OpenAI's pictures API."""
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["data"]
    image = base64.b64decode(item["b64_json"], validate=True)
    # Signature, length and name of the first chunk (PNG, section 5), then its two sizes.
    assert image[:16] == b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
    assert image[-8:-4] == b"IEND"
    return struct.unpack(">II", image[16:24])


def _write(path: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    head, data = header({name: ("F16", shape) for name, shape in shapes.items()})
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + data)
    return path


def flux() -> Shapes:
    """One block of each kind."""
    yield from _linear("img_in", PATCH, HIDDEN)
    yield from _linear("txt_in", CONTEXT, HIDDEN)
    for name, width in (("time_in", 256), ("vector_in", POOLED)):
        yield from _linear(f"{name}.in_layer", width, HIDDEN)
        yield from _linear(f"{name}.out_layer", HIDDEN, HIDDEN)
    for side in ("img", "txt"):
        block = f"double_blocks.0.{side}"
        yield from _linear(f"{block}_mod.lin", HIDDEN, 6 * HIDDEN)
        yield from _linear(f"{block}_attn.qkv", HIDDEN, 3 * HIDDEN)
        yield from _linear(f"{block}_attn.proj", HIDDEN, HIDDEN)
        yield from _scales(f"{block}_attn.norm")
        yield from _linear(f"{block}_mlp.0", HIDDEN, 4 * HIDDEN)
        yield from _linear(f"{block}_mlp.2", 4 * HIDDEN, HIDDEN)
    yield from _linear("single_blocks.0.linear1", HIDDEN, 7 * HIDDEN)
    yield from _linear("single_blocks.0.linear2", 5 * HIDDEN, HIDDEN)
    yield from _scales("single_blocks.0.norm")
    yield from _linear("single_blocks.0.modulation.lin", HIDDEN, 3 * HIDDEN)
    yield from _linear("final_layer.linear", HIDDEN, PATCH)
    yield from _linear("final_layer.adaLN_modulation.1", HIDDEN, 2 * HIDDEN)


def clip() -> Shapes:
    """CLIP-L's text model."""
    yield "text_model.embeddings.token_embedding.weight", (49408, POOLED)
    yield "text_model.embeddings.position_embedding.weight", (77, POOLED)
    for number in range(12):
        layer = f"text_model.encoder.layers.{number}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _linear(f"{layer}.self_attn.{name}", POOLED, POOLED)
        yield from _norm(f"{layer}.layer_norm1", POOLED)
        yield from _norm(f"{layer}.layer_norm2", POOLED)
        yield from _linear(f"{layer}.mlp.fc1", POOLED, 4 * POOLED)
        yield from _linear(f"{layer}.mlp.fc2", 4 * POOLED, POOLED)
    yield from _norm("text_model.final_layer_norm", POOLED)


def vae() -> Shapes:
    """The encoder that makes a picture small, and the decoder that makes it large again."""
    yield from _encoder([ENCODER * times for times in WIDER])
    yield from _decoder([DECODER * times for times in reversed(WIDER)])


def _encoder(widths: list[int]) -> Shapes:
    last = widths[0]
    yield from _conv("encoder.conv_in", 3, last, 3)
    for level, width in enumerate(widths):
        if level:
            yield from _conv(f"encoder.down.{level - 1}.downsample.conv", last, last, 3)
        for block in range(2):
            yield from _resnet(f"encoder.down.{level}.block.{block}", last, width)
            last = width
    yield from _middle("encoder.mid", last)
    yield from _norm("encoder.norm_out", last)
    # Mean and variance of each channel.
    yield from _conv("encoder.conv_out", last, 2 * LATENT, 3)


def _decoder(widths: list[int]) -> Shapes:
    last = widths[0]
    yield from _conv("decoder.conv_in", LATENT, last, 3)
    yield from _middle("decoder.mid", last)
    for level, width in zip(reversed(range(len(widths))), widths, strict=True):
        for block in range(3):
            yield from _resnet(f"decoder.up.{level}.block.{block}", last, width)
            last = width
        if level:
            yield from _conv(f"decoder.up.{level}.upsample.conv", last, last, 3)
    yield from _norm("decoder.norm_out", last)
    yield from _conv("decoder.conv_out", last, 3, 3)


def _middle(name: str, width: int) -> Shapes:
    yield from _resnet(f"{name}.block_1", width, width)
    yield from _norm(f"{name}.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        yield from _conv(f"{name}.attn_1.{part}", width, width, 1)
    yield from _resnet(f"{name}.block_2", width, width)


def _resnet(name: str, into: int, out: int) -> Shapes:
    yield from _norm(f"{name}.norm1", into)
    yield from _conv(f"{name}.conv1", into, out, 3)
    yield from _norm(f"{name}.norm2", out)
    yield from _conv(f"{name}.conv2", out, out, 3)
    if into != out:
        yield from _conv(f"{name}.nin_shortcut", into, out, 1)


def _linear(name: str, into: int, out: int) -> Shapes:
    yield f"{name}.weight", (out, into)
    yield f"{name}.bias", (out,)


def _conv(name: str, into: int, out: int, kernel: int) -> Shapes:
    yield f"{name}.weight", (out, into, kernel, kernel)
    yield f"{name}.bias", (out,)


def _norm(name: str, width: int) -> Shapes:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _scales(name: str) -> Shapes:
    yield f"{name}.query_norm.scale", (HIDDEN,)
    yield f"{name}.key_norm.scale", (HIDDEN,)
