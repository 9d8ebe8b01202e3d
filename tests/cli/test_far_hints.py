"""Hints of another host's llmgen are typed here."""

from pathlib import Path

import pytest

from llmgen import cli
from llmgen.cli.far_hints import THERE, from_here


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("`llmgen install`", "`llmgen install --host box`"),
        ("`llmgen logs model-a`, then look", "`llmgen logs --host box model-a`, then look"),
        ("`llmgen models scan`", "`llmgen models scan --host box`"),
        ("`llmgen up --foreground`", "`llmgen up --foreground`"),
        ("`llmgen unload gamma`", "`llmgen unload gamma`"),
        ("`sudo groupadd --system render`", "`sudo groupadd --system render`"),
    ],
)
def test_commands_of_llmgen_go_to_the_host(there, here):
    assert from_here(there, "box") == here


def test_all_commands_that_go_to_hosts_are_known():
    folder = Path(cli.__file__).parent
    found = {path.stem for path in folder.glob("*.py") if "\n@on_hosts(" in path.read_text("utf-8")}
    assert found == {name.split()[0] for name in THERE}
