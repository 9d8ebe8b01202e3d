"""Random router presets: the words that import reads in them are those that the router reads."""

import random

import pytest
from importing.parser import OWN, options, read_preset

from llmgen.importing.arguments import preset_words
from llmgen.importing.router import _sections, _under
from llmgen.server_help import by_key

pytestmark = pytest.mark.reader("llama-server")

VALUES = (
    "0", "1", "-1", "4096", "0.7", "on", "off", "auto", "true", "false", "yes", "no", "True", "enabled", "disabled",
    "", "x", "a,b", "a b", "a = b", '"q"', "'", "\\", "é", "3 # a comment", "4;5", "6 ; 7", "[x]", "--c", "-c",
)  # fmt: skip
# Sources that the router looks up, names that must not be taken twice, and what it drops.
ASIDE = {
    *(
        "-a",
        "-m",
        "-hf",
        "-hff",
        "-mu",
        "-dr",
        "-mm",
        "-mmu",
        "--spec-draft-hf",
        "--host",
        "--port",
    ),
    *("--api-key", "--api-key-file", "--ssl-key-file", "--ssl-cert-file", "--log-colors"),
    *("--models-dir", "--models-max", "--models-preset", "--models-autoload"),
}


@pytest.mark.parametrize("seed", range(3))
def test_what_import_reads_of_a_preset_is_what_the_router_reads(seed, tmp_path):
    dice = random.Random(seed)
    keys = [
        key for key, option in by_key().items() if option.first not in ASIDE and option.takes < 2
    ]
    lines = ["; a comment", "version = 1"]
    for name in ("*", *(f"s{number}" for number in range(150)), "s3"):
        lines += [f"[{name}]", *(["model = /m/a.gguf"] if name != "*" else [])]
        for key in dice.sample(keys, dice.randint(0, 8)):
            space = dice.choice(["", " ", "\t"])
            lines.append(f"{key}{space}={space}{dice.choice(VALUES)}")
            if dice.random() < 0.1:
                lines.append(f"{key} = {dice.choice(VALUES)}")
    text = "\n".join(lines) + "\n"
    sections = _sections(text, [])
    shared = sections.pop("*")
    ours = {name: options(preset_words(_under(shared, own))) for name, own in sections.items()}
    theirs = read_preset(text, tmp_path)
    assert ours.keys() == theirs.keys()
    for name, found in ours.items():
        assert {key: value for key, value in found.items() if key not in OWN} == theirs[name], name
