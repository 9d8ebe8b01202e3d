"""What is there before a reader types a page's first command: programs, files, a Hub on loopback."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import readers
from facts.fake_hub import FakeFile, FakeRepo, serve
from gguf_writer import write_llama

from docs import published_models
from docs.terminal import Terminal

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "llmgen/data/examples"


@dataclass(frozen=True)
class Stage:
    """``example``: the llm.toml of that name is there; ``tiny``: the Hub's models can be run, and
    what is printed differs in its numbers; ``files``: names in the folder, and where in tests/ they
    are; ``made``: what makes anything else in the home."""

    example: str = ""
    tiny: bool = False
    programs: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    made: Callable[[Path], None] | None = None
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def prepared(stage, folder):
    """A terminal in a home of its own, with what the stage has."""
    home = folder / "home"
    home.mkdir()
    with serve() as hub:
        hub.repos.update(_tiny() if stage.tiny else published_models.published())
        environment = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", **stage.environment}
        programs = {name: readers.find(name) for name in stage.programs}
        with Terminal(home, programs, loosely=stage.tiny, **environment) as terminal:
            _write_llmgen(terminal.bin / "llmgen")
            if stage.example:
                text = EXAMPLES.joinpath(f"{stage.example}.toml").read_text("utf-8")
                terminal.folder.joinpath("llm.toml").write_text(text)
            for name, source in stage.files.items():
                shutil.copy(ROOT / "tests" / source, terminal.folder / name)
            if stage.made:
                stage.made(home)
            yield terminal


def _write_llmgen(path):
    """The command, as an installed one: of this checkout, and nothing else of the environment."""
    words = f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m llmgen "$@"'
    path.write_text(f"#!/bin/sh\n{words}\n")
    path.chmod(0o755)


def _tiny():
    """The repositories with small models of random weights, which the real llama-server runs."""
    with tempfile.TemporaryDirectory() as folder:
        whole = write_llama(Path(folder) / "tiny.gguf", context=1024).read_bytes()
    return {
        name: FakeRepo({file: FakeFile(whole) for file in files})
        for name, files in published_models.REPOSITORIES.items()
    }
