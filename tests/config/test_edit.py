import tomllib

import pytest

from llmgen.config.edit import append_table, remove_table, value_text

TEXT = """# The machine.
[hardware]
profile = "cpu"   # with a comment

# First model.
[models.a]
model = "a.gguf"

[models.a.variants.b]
params = { temperature = 1 }

# Second model,
# in two lines.
["models"."c.d"]
model = "c.gguf"
"""


def test_removing_a_table_takes_its_comments_and_inner_tables_and_nothing_else():
    left = remove_table(TEXT, ("models", "a"))
    assert left == TEXT.replace(TEXT[TEXT.index("# First") : TEXT.index("# Second")], "")
    assert set(tomllib.loads(left)["models"]) == {"c.d"}


def test_quoted_header_is_found_by_its_path():
    left = remove_table(TEXT, ("models", "c.d"))
    assert "Second" not in left
    assert left.endswith("params = { temperature = 1 }\n")


def test_a_table_that_is_not_there():
    with pytest.raises(KeyError):
        remove_table(TEXT, ("models", "z"))


@pytest.mark.parametrize("text", ["", "a = 1", "a = 1\n", "a = 1\n\n"])
def test_appended_table_reads_back(text):
    made = append_table(text, ("models", "x.y"), {"model": 'q"\\.gguf', "aliases": ["a"], "n": 1})
    assert tomllib.loads(made)["models"]["x.y"] == {"model": 'q"\\.gguf', "aliases": ["a"], "n": 1}
    assert made.startswith(text)


@pytest.mark.parametrize("value", [True, 1.5, -3, "a\x7f\n\u2028é", [1, [2]], {"a b": {"c": []}}])
def test_value_reads_back(value):
    assert tomllib.loads(f"k = {value_text(value)}")["k"] == value
