"""The tables of ``show``: whole figures at every width, memory of all devices."""

import shlex

import pytest
from making import config, facts

from llmgen.cli import drawing, tables
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


def shown(profile, **shape):
    made = config(TEXT.format(profile=profile), head="")
    return view(place(resolve(made, {"file:small.gguf": facts("small.gguf", **shape)})))


def test_narrow_terminal_keeps_figures_and_names_whole(monkeypatch, capsys):
    monkeypatch.setattr(drawing, "width", lambda: 60)
    tables.show_plan(shown("nvidia-2x24gb"))
    lines = capsys.readouterr().out.splitlines()
    (small,) = (line for line in lines if line.startswith("small"))
    assert "on demand" in small
    assert small.endswith("GiB")


def test_every_table_of_a_plan_fits_eighty_columns(monkeypatch, capsys):
    monkeypatch.setattr(drawing, "width", lambda: 80)
    tables.show_plan(shown("nvidia-2x24gb"))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_narrow_table_keeps_its_heads_whole(monkeypatch, capsys):
    monkeypatch.setattr(drawing, "width", lambda: 80)
    found = drawing.table_of(">context", *[">q4_0\nx4"] * 9)
    found.add_row("1M", *["-126.4"] * 9)
    drawing.echo(found)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("context")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("profile", ["apple-silicon-64gb", "nvidia-2x24gb"])
def test_memory_is_of_all_devices_once(profile):
    (model,) = shown(profile).models
    whole = {"apple-silicon-64gb": ["unified"], "nvidia-2x24gb": ["host", "gpu0", "gpu1"]}
    assert model.total == sum(model.footprint[name] for name in whole[profile])


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of a given width, with or without colour."""

    def of(width, *, colour=False):
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setattr(drawing, "width", lambda: width)
        monkeypatch.setattr(drawing, "coloured", lambda: colour)

    return of


@pytest.mark.parametrize("width", [40, 60])
def test_a_table_wider_than_the_terminal_is_printed_as_records(terminal, capsys, width):
    terminal(width)
    tables.show_plan(shown("nvidia-2x24gb"))
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("small")
    assert lines[at + 1].startswith("  role chat; kept on demand")
    assert max(map(len, (line for line in lines if "http" not in line))) <= width
    # No figure is parted from its unit.
    assert not any(line.strip().startswith(("GiB", "MiB")) for line in lines)


def test_a_command_is_folded_so_that_a_shell_still_reads_it(terminal):
    terminal(30)
    words = ["/usr/bin/llama-server", "--model", "/m/a b.gguf", "--device", "CUDA0", "--fit", "off"]
    folded = drawing.command_lines(words)
    assert "\\\n" in folded
    assert shlex.split(folded.replace("\\\n", " ")) == words
    assert "--model '/m/a b.gguf'" in folded


def test_parts_of_a_bar_are_told_apart_without_colour_and_sum_to_the_peak():
    for pool in shown("nvidia-2x24gb").pools:
        parts = pool.parts
        assert parts.weights + parts.context + parts.compute + parts.other == pool.peak
        assert min(parts.weights, parts.context, parts.compute, parts.other) >= 0


def test_bars_are_coloured_on_a_terminal_that_has_colours(terminal, capsys):
    terminal(100, colour=True)
    tables.show_plan(shown("nvidia-24gb", layers=32, embedding=4096, feed_forward=12288))
    assert "\x1b[34m#" in capsys.readouterr().out


def many(count):
    """A stack of so many small models."""
    text = TEXT.format(profile="nvidia-2x24gb")
    text += "".join(
        f'[models.m{n}]\nmodel = "small.gguf"\nctx_size = 32768\n' for n in range(count)
    )
    made = config(text, head="")
    return view(place(resolve(made, {"file:small.gguf": facts("small.gguf")})))


def test_models_past_a_screenful_are_summed_up(capsys):
    plan = many(drawing.LONG)
    tables.show_plan(plan, whole=False)
    said = capsys.readouterr().out
    assert f"{drawing.LONG + 1} models, the {tables.LARGEST} largest above" in said
    assert "`llmgen show --all`" in said
    assert len(said.splitlines()) < 50


def test_every_model_is_listed_where_all_are_asked_for(capsys):
    tables.show_plan(many(drawing.LONG), whole=True)
    said = capsys.readouterr().out
    assert all(f"\nm{number} " in said for number in range(drawing.LONG))
    tables.show_plan(many(drawing.LONG - 1), whole=False)
    assert "largest above" not in capsys.readouterr().out
