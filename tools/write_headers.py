"""Write the models of the repository's llm.toml as header-only GGUFs of full size (sparse files).

    python tools/write_headers.py FOLDER [LLM.TOML]

Shapes are public (config.json and model cards; tests/oracle/shapes.py names each source), tensor
lists are llama.cpp's own. `make lock` runs this and then `llmgen lock`.
"""

import re
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from gguf_writer import write_gguf, write_split  # noqa: E402 - found by the line above
from oracle.headers import metadata, tensors  # noqa: E402
from oracle.shapes import SHAPES, Shape  # noqa: E402


def main(folder: Path, file: Path = ROOT / "llm.toml") -> None:
    """Write every file that an llm.toml names; its models are called as in SHAPES."""
    models = tomllib.loads(file.read_text("utf-8"))["models"]
    for name, table in models.items():
        path = folder / table["model"]
        shape = replace(SHAPES[name], recipe=_recipe(path))
        if "-of-" in path.name:
            _write_shards(path, shape)
        else:
            write_gguf(path, metadata(shape), tensors(shape))
        print(path)


def _recipe(path: Path) -> str:
    """Which of llama-quantize's mixes the file's name says."""
    found = re.search(r"(Q\d\w*|mxfp4)", path.name.rpartition("/")[2].split("-of-")[0])
    if found is None:
        raise SystemExit(f"{path.name} names no quantisation")
    return found[1].lower()


def _write_shards(first: Path, shape: Shape) -> None:
    """The model in as many shards as its file name says, tensors in order."""
    stem, _, rest = first.stem.rpartition("-of-")
    listed = tensors(shape)
    size = -(-len(listed) // int(rest))
    shards = [listed[at : at + size] for at in range(0, len(listed), size)]
    write_split(first.parent, stem.rpartition("-")[0], metadata(shape), shards)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
