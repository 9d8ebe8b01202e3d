"""A machine for `llmgen sync`: a home with a models folder, LM Studio's, and an Ollama store."""

import hashlib
import json
from pathlib import Path

from click.testing import CliRunner
from gguf_writer import Tensor, llama, write_gguf

from llmgen.cli.boundary import root

START = """# My machine, and a remark.
edition = 2

[hardware]
os = "linux"
backend = "cuda"
memory = "64GiB"
devices = [{{ memory = "24GiB" }}]

[paths]
home = "{home}"

[sync]
settle = 0
folders = ["~/disk"]

[sync.options."*"]   # all of them
ctx_size = "1K"

[sync.options.embedding]
keep = "on_demand"
"""
SMALL = {"layers": 1, "embedding": 32, "heads": 2, "heads_kv": 1, "feed_forward": 32}
# What a file may be, by what its header says.
KINDS = {
    "chat": SMALL,
    "embedding": {**SMALL, "architecture": "bert", "more": {"bert.pooling_type": 2}},
    "rerank": {**SMALL, "architecture": "qwen3", "more": {"qwen3.pooling_type": 4},
               "more_tensors": (Tensor("cls.output.weight", (32, 2)),)},
    "projector": {**SMALL, "architecture": "clip", "more": {"general.type": "mmproj"}},
    "adapter": {**SMALL, "more": {"general.type": "adapter", "adapter.type": "lora"}},
    "huge": {**SMALL, "embedding": 16384, "layers": 40, "heads": 64, "feed_forward": 65536},
}  # fmt: skip


class Machine:
    """A home with stores, the current folder of an llm.toml, and how files come and go there."""

    def __init__(self, folder, text=START):
        self.home, self.folder = folder / "home", folder / "stack"
        self.models, self.disk = self.home / "models", self.home / "disk"
        self.lm_studio, self.ollama = self.home / ".lmstudio/models", self.home / ".ollama/models"
        for place in (self.folder, self.models, self.disk, self.lm_studio, self.ollama):
            place.mkdir(parents=True)
            # A folder with nothing at all in it may be a disk that is not there.
            (place / "README").touch()
        self.toml.write_text(text.format(home=self.home))

    @property
    def toml(self):
        return self.folder / "llm.toml"

    @property
    def text(self):
        return self.toml.read_text()

    def edit(self, old, new):
        assert old in self.text
        self.toml.write_text(self.text.replace(old, new, 1))

    def write(self, path, kind="chat", **shape):
        return write_gguf(Path(path), *llama(**{**KINDS[kind], "vocabulary_size": 300, **shape}))

    def half(self, path, kind="chat", **shape):
        """The beginning of a file, as a download leaves it: within the header, or behind it."""
        whole = self.write(path, kind, **shape).read_bytes()
        Path(path).write_bytes(whole[: len(whole) - 40])
        return whole

    def pull(self, name, kind="chat", **shape):
        """What `ollama pull` leaves: blobs by digest, then the manifest that names them."""
        fresh = self.write(self.ollama / "blobs" / "new", kind, **shape)
        digest = hashlib.sha256(fresh.read_bytes()).hexdigest()
        fresh.rename(fresh.with_name(f"sha256-{digest}"))
        layers = [{"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"}]
        manifest = self.manifest(name)
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))

    def manifest(self, name):
        model, _, tag = name.partition(":")
        return self.ollama / "manifests/registry.ollama.ai/library" / model / tag

    def sync(self, *words, code=0):
        found = self.run("sync", *words, code=code)
        return {(row["state"], row["name"]): row["details"] for row in found["data"]["models"]}

    def run(self, *words, code=0):
        result = CliRunner().invoke(
            root, ["-c", str(self.toml), *words, "--json"], prog_name="llmgen"
        )
        assert result.exit_code == code, result.stdout
        return json.loads(result.stdout)
