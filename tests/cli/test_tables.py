"""The tables of ``show``: whole figures at every width, memory of all devices."""

import pytest
from making import config, facts

from llmgen.cli import tables
from llmgen.cli.view import view
from llmgen.plan.place import place
from llmgen.resolve import resolve

TEXT = """
edition = 1

[hardware]
profile = "{profile}"

[paths]
home = "/home/me"

[models.small]
model = "small.gguf"
"""


def shown(profile):
    made = config(TEXT.format(profile=profile), head="")
    return view(place(resolve(made, {"file:small.gguf": facts("small.gguf")})))


def test_narrow_terminal_keeps_figures_and_names_whole(monkeypatch, capsys):
    monkeypatch.setattr(tables, "_width", lambda: tables.LEAST_WIDTH)
    tables.show_plan(shown("nvidia-2x24gb"))
    lines = capsys.readouterr().out.splitlines()
    (small,) = (line for line in lines if line.startswith("small"))
    assert "on demand" in small
    assert small.endswith("GiB")


def test_every_table_of_a_plan_fits_eighty_columns(monkeypatch, capsys):
    monkeypatch.setattr(tables, "_width", lambda: 80)
    tables.show_plan(shown("nvidia-2x24gb"))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_narrow_table_keeps_its_heads_whole(monkeypatch, capsys):
    monkeypatch.setattr(tables, "_width", lambda: 80)
    found = tables.table_of(">context", *[">q4_0\nx4"] * 9)
    found.add_row("1M", *["-126.4"] * 9)
    tables.echo(found)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("context")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("profile", ["apple-silicon-64gb", "nvidia-2x24gb"])
def test_memory_is_of_all_devices_once(profile):
    (model,) = shown(profile).models
    whole = {"apple-silicon-64gb": ["unified"], "nvidia-2x24gb": ["host", "gpu0", "gpu1"]}
    assert model.total == sum(model.footprint[name] for name in whole[profile])
