"""How architectures' graphs differ where it moves the size of a compute buffer.

Read in ``src/models/`` of b11434, and settled by what the program reserves for published shapes.
"""

from __future__ import annotations

from typing import Final

from llmgen.budget.architectures import Family

# Q, K and V of these come from one product.
FUSED: Final = ("phi3",)
# Streams more than when everything is offloaded, where it is not one less.
PARTIAL_EXPERTS: Final = {"qwen3moe": 2, "gpt-oss": 1, "minimax-m2": 9}
UNGATED_EXPERTS: Final = ("nemotron_h_moe",)
# Attention and feed-forward read the same input, so the output of one waits for the other.
PARALLEL: Final = ("command-r", "cohere2", "cohere2moe", "falcon", "phi2", "gptj", "plamo")
# Queries of their widest layers end in the place of an input: fused or recurrent.
NARROW: Final = ("phi3", "qwen35", "lfm2", "lfm2moe", "granitehybrid")
# The residual stream comes to lie on the other side of the mask, so that its first place stays
# free: behind a norm or a second mixer in every layer, or behind a layer of another kind.
OTHER_SIDE: Final = ("olmo2", "falcon-h1")
ALTERNATING: Final = ("smollm3", "lfm2", "cohere2")
# Blocks are normed at their end alone, and read the residual stream itself.
POST_NORMED: Final = ("olmo2",)
# One layer of so many has no positions, so its query is not copied for them.
UNROTATED_EVERY: Final[dict[str, int]] = {"smollm3": 4}
# Latent attention without an indexer of its cells.
LATENT: Final = "deepseek2"
# Four positions for each token (M-RoPE).
FOUR_POSITIONS: Final = (
    *("qwen2vl", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen4exp"),
    *("glm4", "paddleocr", "hunyuan_vl", "ernie4_5-moe"),
)
# Streams on a device that has nothing but the output: their last layer hands over every token.
OUTPUT_STREAMS: Final[dict[str, int]] = {
    "gpt-oss": 6,
    "mamba": 2,
    "command-r": 1,
    "cohere2": 1,
    "qwen3next": 3,
    "qwen35moe": 3,
    "qwen35": 2,
    "nemotron_h": 3,
    "nemotron_h_moe": 3,
    "gemma4": 1,
}
# Residual streams that the copies keep alive, on the first device and on later ones.
COPIED_STREAMS: Final = {Family.RECURRENT: (21, 24)}
COPIED_BY_NAME: Final = {
    "olmo2": (11, 2),  # no norm before its blocks, which would cross to the next device, too
}
# With a quantized cache, which is rotated, rows of these cross to each device once more.
ROTATED_CROSSING: Final = ("lfm2",)
# Before batches could mix tokens and embeddings: four copies of one input, or of two.
OLDER_COPIED_STREAMS: Final = (4, 8)
OLDER_COPIED_BY_NAME: Final = {
    "mamba": (12, 24),
    "olmo2": (4, 4),
}
# Beside attention (Falcon-H1), more tokens of one slot than this keep more of a scan alive.
SHORT_SCAN: Final = 512
GATED_DELTA: Final = ("qwen3next", "qwen35", "qwen35moe")
# With their states on the host, the scheduler leaves attention there, too, without flash attention.
HOSTED_ATTENTION: Final = ("lfm2", "lfm2moe", "falcon-h1")
