"""Hints of another host's llmgen are typed here."""

import pytest

from llmgen.cli.far_hints import from_here


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("`llmgen install`", "`llmgen install --host box`"),
        ("`llmgen logs model-a`, then look", "`llmgen logs --host box model-a`, then look"),
        ("`llmgen models scan`", "`llmgen models scan --host box`"),
        ("`llmgen up --foreground`", "`llmgen up --foreground`"),
        ("`sudo groupadd --system render`", "`sudo groupadd --system render`"),
    ],
)
def test_commands_of_llmgen_go_to_the_host(there, here):
    assert from_here(there, "box") == here
