import tomllib

import pytest

from llmgen.config.spans import locate

SHAPES = [
    "a = 1\nb.c = 'x'\n[t]\nd = [1, [2, 3], {e = 4}]\n[t.u]\nf = true\n",
    "[[rows]]\na = 1\n[[rows.inner]]\nb = 2\n[[rows.inner]]\nb = 3\n[[rows]]\na = 4\n",
    '"a.b"."c d" = 1\n[x."y.z"]\nk = "v # no comment"  # a comment\n',
    's = """\nlines "quoted" \\" end"""\nl = \'\'\'raw\\\'\'\'\'\'\nz = """ends in ""quotes"""""\n',
    "a = {b = {c = 1, d = [\n  2, # two\n  3,\n]}}\r\n[q]\r\nw = -1.5e3\r\n",
    "[a.b.c]\nx = 1\n[a]\ny = 2\n[a.b]\nz = 3\n",
]


def flat(value, key=()):
    yield key
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for part, item in items:
        yield from flat(item, (*key, part))


def at(document, key):
    for part in key:
        document = document[part]
    return document


@pytest.mark.parametrize("text", SHAPES)
def test_every_key_that_the_parser_sees_has_a_place(text):
    keys = {key for key in flat(tomllib.loads(text)) if key}
    assert set(locate(text)) == keys


@pytest.mark.parametrize("text", SHAPES)
def test_the_text_at_a_scalar_reads_back_as_its_value(text):
    document = tomllib.loads(text)
    for key, found in locate(text).items():
        value = at(document, key)
        if not isinstance(value, dict | list):
            written = text[found.value.start : found.value.end]
            assert tomllib.loads(f"k = {written}")["k"] == value


def test_its_own_header_is_a_better_place_than_a_mention():
    text = "[a.b]\nx = 1\n[a]\ny = 2\n"
    assert text[locate(text)[("a",)].value.start :].startswith("[a]\ny")
