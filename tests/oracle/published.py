"""Published models of true sizes with the program's answers, for ``data/SET-bBUILD.json.xz``.

``python -m oracle.published SET BUILD`` (from ``tests/``) asks for them again; a set is a name of ``SETS``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from gguf_writer import gguf

from oracle import build as builds
from oracle import decoders, embedders, grid
from oracle.draw_files import new_path, typed
from oracle.grid import Setting
from oracle.headers import metadata
from oracle.points import Fresh, Points, fresh_shape, write
from oracle.runner import Oracle
from oracle.shapes import Shape
from oracle.tensor_lists import Listed, trimmed

SETS: dict[str, tuple[tuple[Shape, ...], tuple[Setting, ...]]] = {
    "embedders": (embedders.SHAPES, embedders.SETTINGS),
    "decoders": (decoders.SHAPES, decoders.SETTINGS),
}


def listed(oracle: Oracle, shape: Shape, folder: Path) -> Listed:
    """What the build's loader makes of a header, less what the model does not have."""
    path = new_path(folder)
    path.write_bytes(gguf(metadata(shape)))
    answer = oracle.tensors(path)
    if "refused" in answer:
        raise SystemExit(f"{shape.name}: {answer['refused']}")
    return [
        (name, trimmed(extents))
        for name, *extents in answer["tensors"]  # type: ignore[attr-defined]
        if not any(word in name for word in shape.without)
        and not (shape.tied and name == "output.weight")
    ]


def ask(name: str, number: int) -> Points:
    """Every model of a set under every setting."""
    models, settings = SETS[name]
    shapes, asked = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        Oracle(builds.builds()[number], devices=2) as oracle,
    ):
        for shape in models:
            fresh = fresh_shape(shape, typed(listed(oracle, shape, Path(folder)), shape))
            path = fresh.write(new_path(Path(folder)))
            shapes.append(fresh)
            for setting in settings:
                answer = oracle.ask(path, grid.server_settings(setting))
                asked.append(Fresh(len(shapes) - 1, setting, answer))
    return Points(number, 0, shapes, asked)


def main() -> None:
    """Write the answers of the set and build that the command line names."""
    name, number = sys.argv[1], int(sys.argv[2])
    points = ask(name, number)
    print(write(points, grid.DATA / f"{name}-b{number}.json.xz"))


if __name__ == "__main__":
    main()
