"""The stacks of tests/cases as a cluster has them: what each needs beside a pool."""

import tomllib
from pathlib import Path

from made import stack

from llmgen.config.load import overlay
from llmgen.facts.lock import read_lock

CASES = Path(__file__).parents[1] / "cases"
POOL = """
[kubernetes.pools.gpu]
count = 9
"""
# No pod has a Mac's devices: nodes that hold as much.
NO_MAC = """
[kubernetes.pools.gpu.hardware]
profile = "dgx-spark"
"""
# Programs that llama-swap's image does not have: pods of their own, each with its image.
IMAGES = {
    "boxed": "",
    "coder": 'container.image = "docker.io/vllm/vllm-openai:v0.12.0"',
    "thinker": 'container.image = "docker.io/lmsysorg/sglang:v0.5.6"',
    "tiny": 'container.image = "registry.example/mlx:1"',
    "ear": 'container.image = "ghcr.io/ggml-org/whisper.cpp:main-cuda"',
    "painter": 'container.image = "registry.example/stable-diffusion:1"',
    "voice": 'container.image = "registry.example/kokoro:1"',
}
ALWAYS = "".join(f'[models.{name}]\nkeep = "always"\n' for name in IMAGES)
# llama-swap alone knows the process of what it started.
WRITTEN_OUT = '[models.voice]\ncmd_stop = ["/opt/kokoro/bin/stop"]\n'
IN_IMAGES = "".join(f"[models.{name}]\n{image}\n" for name, image in IMAGES.items())
STACKS = {
    "minimal": (),
    "samplers": (),
    "spark": (),
    "router": (),
    "strix-halo": (),
    "apple-group": (NO_MAC,),
    "engines": (ALWAYS, WRITTEN_OUT, IN_IMAGES),
}


def scene_of(name, *texts):
    """The stack of a case with these texts laid over it."""
    folder = CASES / name
    document = tomllib.loads((folder / "llm.toml").read_text("utf-8"))
    for text in texts:
        document = overlay(document, tomllib.loads(text))
    return stack(lock=read_lock(folder / "llm.lock"), document=document)
