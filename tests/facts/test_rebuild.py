import re
import subprocess
from pathlib import Path

import pytest
import readers
from byte_source import Bytes
from gguf_writer import llama, write_gguf
from making import facts as made
from msgspec.structs import replace

from llmgen.facts.gguf import read_header
from llmgen.facts.header import describe
from llmgen.facts.local import read_model
from llmgen.facts.rebuild import rebuild


def again(facts):
    head, size = rebuild(facts)
    return describe([read_header(Bytes(head, size=size))], facts.files)


def test_rebuilt_header_has_the_same_facts():
    facts = replace(
        made(),
        hyperparameters={
            **made().hyperparameters,
            "attention.head_count_kv": (2, 0, 2, 0),
            "attention.sliding_window_pattern": (True, False, True, False),
            "rope.freq_base": 10000.0,
            "labels": ("yes", "no"),
            "offset": -3,
            "large": 2**40,
            "none": (),
            "general.name": "n",
        },
    )
    found = again(facts)
    told = {"vocab_size": facts.vocabulary, "tokenizer.ggml.model": "no_vocab"}
    assert found.hyperparameters == {**facts.hyperparameters, **told}
    assert set(found.tensors) == set(facts.tensors)
    assert (found.vocabulary, found.architecture) == (facts.vocabulary, facts.architecture)


def sparse(path: Path, facts) -> Path:
    head, size = rebuild(facts)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


@pytest.mark.reader("llama-fit-params")
def test_llama_cpp_plans_the_rebuilt_file_like_the_model(tmp_path):
    real = write_gguf(
        tmp_path / "real.gguf", *llama(layers=6, embedding=1024, vocabulary_size=4000)
    )
    program = readers.find("llama-fit-params")
    tables = []
    for path in (real, sparse(tmp_path / "rebuilt.gguf", read_model(real))):
        done = subprocess.run(
            [program, "-m", path, "-fitp", "on", "-fit", "off", "-c", "4096", "-np", "1"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        tables.append(done.stdout.split("\n"))
    # K and V of 6 layers: 4096 cells of 2 heads of 256 in f16.
    assert any(re.fullmatch(r"Host \d+ 48 \d+ *", line) for line in tables[0]), tables[0]
    assert tables[0] == tables[1]
