import tomllib

import pytest

from llmgen.config.source import parse
from llmgen.sync.marks import marked, with_tables, without_marks

MINE = '# Mine.\n[models.own]\nmodel = "own.gguf"   # by hand\n'
TABLES = {
    "qwen3:8b": {"ollama": "qwen3:8b", "ctx_size": "64K"},
    "b": {"model": 'a "b".gguf', "sampling": {"temp": 0.5}, "aliases": ["x"]},
}


def found(text, *others):
    source = parse("llm.toml", text)
    return source, marked(source, tuple(parse("more.toml", item) for item in others))


@pytest.mark.parametrize("mine", ["", MINE, MINE + "\n", MINE + "\n\n# Last words.", "a = 1"])
def test_tables_come_and_go_and_the_rest_is_as_it_was(mine):
    text = with_tables(mine, TABLES)
    source, tables = found(text)
    assert tomllib.loads(text)["models"].items() >= TABLES.items()
    assert [item.intact for item in tables.values()] == [True, True]
    left = without_marks(source, tables)
    assert left.rstrip("\n") == mine.rstrip("\n")
    assert with_tables(left, TABLES) == text


EDITS = {
    "value": ('ctx_size = "64K"', 'ctx_size = "32K"'),
    "key": ('ctx_size = "64K"', 'ctx_size = "64K"\nttl = 5'),
    "comment": ('ctx_size = "64K"', 'ctx_size = "64K"   # more is too slow'),
    "name": ('[models."qwen3:8b"]', "[models.qwen]"),
    "behind a gap": ('ctx_size = "64K"\n', 'ctx_size = "64K"\n\nttl = 5\n'),
    "inner table": ('ctx_size = "64K"\n', 'ctx_size = "64K"\n\n[models."qwen3:8b".sampling]\n'),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edited_table_is_a_persons_and_loses_nothing_but_its_mark(edit):
    old, new = EDITS[edit]
    text = with_tables(MINE, TABLES).replace(old, new)
    source, tables = found(text)
    first, second = tables.values()
    assert (first.intact, second.intact) == (False, True)
    left = without_marks(source, tables)
    assert new in left
    assert "llmgen sync" not in left
    assert first.name in tomllib.loads(left)["models"]


def test_table_without_its_mark_is_a_persons():
    lines = with_tables(MINE, TABLES).splitlines(keepends=True)
    text = "".join(line for line in lines if "llmgen sync" not in line)
    assert found(text)[1] == {}


def test_keys_of_a_file_laid_over_it_are_a_persons():
    text = with_tables(MINE, TABLES)
    _, tables = found(text, "[models.b]\nttl = 5\n")
    assert {name: item.intact for name, item in tables.items()} == {"qwen3:8b": True, "b": False}


def test_comments_of_a_person_between_the_tables_stay():
    text = with_tables(MINE, TABLES)
    second = text.rindex("# llmgen sync")
    text = text[:second] + "# What I think of b.\n" + text[second:] + "\n# The end.\n"
    source, tables = found(text)
    assert all(item.intact for item in tables.values())
    left = without_marks(source, tables)
    assert left.replace("\n\n", "\n") == f"{MINE}# What I think of b.\n# The end.\n"


def test_what_looks_like_a_table_within_a_text_is_none():
    inner = with_tables("", {"b": TABLES["b"]})
    text = f"[models.own]\nnotes = ['''\n{inner}''']\n"
    assert found(text)[1] == {}


def test_order_of_the_file_and_line_ends_do_not_matter():
    text = with_tables(MINE, TABLES)
    first, second = text.index("# llmgen sync"), text.rindex("# llmgen sync")
    moved = text[:first] + text[second:] + "\n" + text[first:second].rstrip("\n") + "\n"
    for variant in (moved, text.replace("\n", "\r\n")):
        _, tables = found(variant)
        assert all(item.intact for item in tables.values())
        assert {*tables} == {*TABLES}
