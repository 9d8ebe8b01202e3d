"""Each case is a library that a person could have; its files are compared byte for byte.

`pytest tests/cases --snapshot-update` writes them anew; they are read before they are committed.
Locks are made by `python tools/write_headers.py FOLDER CASE/llm.toml` and `llmgen lock --models`.
"""

import configparser
import json
import plistlib
from pathlib import Path, PurePosixPath

import pytest
from readers.llama_swap_rules import problems
from readers.systemd_syntax import read_environment_file
from syrupy.extensions.single_file import SingleFileSnapshotExtension
from yaml_reader import read_yaml

from llmgen.config.load import load
from llmgen.config.source import read
from llmgen.facts.lock import read_lock
from llmgen.plan.place import place
from llmgen.render.environment import make_render
from llmgen.resolve import resolve
from llmgen.targets import (
    compose,
    docs,
    host,
    launchd,
    llama_server,
    llama_swap,
    prometheus,
    proof,
    quadlet,
    systemd,
)

HERE = Path(__file__).parent
# What each case shows; the other targets have goldens of their own. `strix-halo` is a link to the
# repository's llm.toml, whose files are those in generated/.
CASES = {
    "minimal": (llama_swap, systemd, docs, compose),
    "apple-group": (llama_swap, llama_server, launchd),
    "samplers": (llama_swap,),
    "spark": (llama_server, systemd, quadlet, host, prometheus),
    "router": (llama_server, systemd),
    "engines": (llama_swap, systemd, docs, proof),
}


class Tree(SingleFileSnapshotExtension):
    """One artifact is one file, under its own path and extension."""

    file_extension = ""

    @classmethod
    def dirname(cls, *, test_location):
        return str(HERE)

    @classmethod
    def get_file_basename(cls, *, test_location, index):
        return str(index)

    @classmethod
    def matches_test_location(cls, *, test_location, snapshot_location):
        return True

    def is_snapshot_location(self, *, location):
        """A file that no artifact claims any more is left to `test_no_golden_is_left_over`."""
        return False


def plan_of(case):
    sources = (read(str(HERE / case / "llm.toml")),)
    return place(resolve(load(sources), read_lock(HERE / case / "llm.lock").facts))


def artifacts(case):
    plan = plan_of(case)
    return [item for target in CASES[case] for item in target.artifacts(plan, make_render())]


def golden(case, item):
    return f"{case}/expected/{item.path}"


@pytest.mark.parametrize("case", CASES)
def test_files_are_as_expected(case, snapshot):
    found = artifacts(case)
    assert found
    for item in found:
        assert item.content == snapshot(name=golden(case, item), extension_class=Tree)


@pytest.mark.parametrize("case", CASES)
def test_no_golden_is_left_over(case):
    wanted = {HERE / golden(case, item) for item in artifacts(case)}
    assert {path for path in (HERE / case / "expected").rglob("*") if path.is_file()} == wanted


@pytest.mark.parametrize("case", CASES)
def test_every_file_is_read_by_its_own_format(case):
    for item in artifacts(case):
        text = item.content.decode()
        match item.path.suffix:
            case ".yaml" | ".yml":
                assert read_yaml(text)
                assert item.path.name != "config.yaml" or problems(text) == []
            # What reads the machine's settings judges them in tests/targets/host.
            case ".conf" if "host" not in item.path.parts:
                assert read_environment_file(text)["LLAMA_ARG_FIT"] == "off"
            case ".plist":
                assert plistlib.loads(item.content)["Label"] == item.path.stem
            case ".ini":
                assert _ini(text).sections()
            case ".service" | ".target" | ".timer":
                assert "[Unit]" in text
            case ".json":
                found = json.loads(text)
                assert found.get("format") == 1 or item.path.name in ("keys.json", "dashboard.json")
            case ".md":
                assert text.startswith("<!-- Generated")


def _ini(text):
    parser = configparser.ConfigParser(
        interpolation=None, comment_prefixes=(";", "#"), inline_comment_prefixes=(";", "#")
    )
    parser.read_string("[DEFAULT]\n" + text.split("\n", 1)[1])
    return parser


@pytest.mark.parametrize("case", CASES)
def test_paths_are_those_of_llm_toml_and_the_layout(case):
    """Nothing of the machine that renders: its home, its user, its folder."""
    for item in artifacts(case):
        for text in (str(Path.home()) + "/", str(HERE)):
            assert text.encode() not in item.content
        assert item.install is None or PurePosixPath(item.install).is_absolute()
