"""The stage of each page: what its readers have before the first command."""

from __future__ import annotations

import json

from gguf_writer import write_gguf
from oracle.headers import metadata, tensors
from oracle.shapes import SHAPES

from docs.stages import Stage

SERVERS = ("llama-server", "llama-swap")


def ollama_store(home):
    """A store of Ollama with one model, as `ollama pull` leaves it."""
    models, digests = home / ".ollama/models", {"model": "c" * 64, "params": "f" * 64}
    shape = SHAPES["qwen3-8b"]
    write_gguf(models / f"blobs/sha256-{digests['model']}", metadata(shape), tensors(shape))
    parameters = {"num_ctx": 16384, "temperature": 0.6, "stop": ["<|im_end|>"]}
    (models / f"blobs/sha256-{digests['params']}").write_text(json.dumps(parameters))
    layers = [
        {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}"}
        for kind, digest in digests.items()
    ]
    manifest = models / "manifests/registry.ollama.ai/library/qwen3/8b"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))


STAGES = {
    "how-to/from-litellm.md": Stage(files={"config.yaml": "importing/corpus/litellm-local.yaml"}),
    "how-to/from-llama-swap.md": Stage(files={"config.yaml": "docs/data/config.yaml"}),
    "how-to/from-ollama.md": Stage(made=ollama_store),
    "install-servers.md": Stage(example="spark"),
    "migrate/docker-on-a-spark.md": Stage(files={".env": "docs/data/spark/dotenv"}),
    "migrate/folder-manager.md": Stage(files={"config.json": "docs/data/folder/config.json"}),
    "migrate/llama-swap-on-a-mac.md": Stage(files={"config.yaml": "docs/data/mac/config.yaml"}),
    "migrate/nix-and-envoy.md": Stage(
        files={
            name: f"docs/data/halo/{name}"
            for name in ("llama-server-chat.service", "litellm-config.yaml")
        }
    ),
    "migrate/ollama-and-llama-swap.md": Stage(
        made=ollama_store,
        files={
            "custom_models.yaml": "docs/data/ollama/custom_models.yaml",
            ".env": "docs/data/ollama/dotenv",
        },
    ),
    "tutorial.md": Stage(programs=SERVERS),
}
