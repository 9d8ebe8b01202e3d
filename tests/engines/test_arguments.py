"""What llmgen writes for vLLM, SGLang, TEI and mlx_lm is what their packages' own definitions take.

The records in data/ are read from the published packages without running them; TEI is in no
registry, so its record is of its documented command line (docs/source/en/cli_arguments.md at 1.9.3).
"""

import json
from pathlib import Path

import arguments
import pytest
import readers

DATA = Path(__file__).parent / "data"
RECORDS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(DATA.glob("*.json"))}
INSTALLED = [
    pytest.param(name, program, marks=pytest.mark.reader(program))
    for name, program in (
        ("vllm", "arg_utils.py"),
        ("sglang", "server_args.py"),
        ("mlx-lm", "server.py"),
    )
]


@pytest.mark.parametrize(("name", "program"), INSTALLED)
def test_record_is_what_the_package_defines(name, program):
    pin = readers.pin_of(program)
    folder = readers.home() / pin["folder"]
    found = arguments.read(name, folder)
    again = f"python tests/engines/arguments.py {name} {folder} {RECORDS[name]['version']}"
    assert found == RECORDS[name]["options"], f"refresh the record: {again}"
    assert pin["sources"] == f"{name}=={RECORDS[name]['version']}"


@pytest.mark.parametrize("name", RECORDS)
def test_record_has_options_of_every_kind(name):
    kinds = {
        kind if isinstance(kind, str) else "choices" for kind in RECORDS[name]["options"].values()
    }
    assert {"flag", "int", "str", "choices"} <= kinds
