"""Quoting is tested by reading the text back with the real parser."""

import json
import re
import shlex
import subprocess

import html5lib
import pytest
import yaml as pyyaml
from how_many import examples
from hypothesis import given
from hypothesis import strategies as st

from llmgen.render import quoting

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LINE = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x85\u2028\u2029"),
    max_size=40,
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NASTY = [
    "",
    "1e3",
    "08",
    "on",
    "a: b # c",
    "it's",
    'say "hi"',
    "back\\slash\\",
    "$HOME ${HOME} `id` $(id)",
    "%n %% 100%",
    " edge ",
    "!event",
    "é ü \u0085 \u2028 \U0001f999 \x7f",
]


@given(JSON)
@examples(300)
def test_yaml_reads_back(value):
    assert pyyaml.safe_load(quoting.yaml(value)) == value


@pytest.mark.parametrize("text", NASTY)
def test_yaml_text_stays_text(text):
    assert pyyaml.safe_load(quoting.yaml(text)) == text
    assert quoting.yaml(text).isascii()


def test_yaml_refuses_what_is_no_number():
    with pytest.raises(quoting.Unquotable):
        quoting.yaml(float("nan"))


@given(st.lists(LINE, max_size=5))
@examples(200)
def test_words_read_back_by_a_shell_splitter(argv):
    assert shlex.split(quoting.words(argv), posix=True) == _as_posix(argv)


def _as_posix(argv):
    """`shlex` keeps the backslash before `$` and a backtick in double quotes; shells drop it."""
    return [re.sub(r"([$`])", r"\\\1", item) if not _bare(item) else item for item in argv]


def _bare(text):
    return quoting.word(text) == text


def test_shell_values_read_back_by_bash(tmp_path):
    texts = [text for text in NASTY if "\x7f" not in text] + ['it\'s 5$ `x` \\ "y"']
    file = tmp_path / "x.conf"
    lines = [f"V{index}={quoting.shell(text)}" for index, text in enumerate(texts)]
    file.write_text("\n".join(lines) + "\n")
    names = " ".join(f'"$V{index}"' for index in range(len(texts)))
    script = f"set -aeu; . {shlex.quote(str(file))}; printf '%s\\0' {names}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == texts
    assert done.stderr == b""


@given(LINE)
@examples(300)
def test_shell_values_read_back_as_environment_file(environment_file, text):
    assert environment_file(f"KEY={quoting.shell(text)}\n") == {"KEY": text}


@pytest.mark.parametrize("text", NASTY)
def test_systemd_words_read_back(systemd_split, text):
    text = text.replace("\x7f", "")
    assert systemd_split(quoting.systemd_argv(["/bin/x", text])) == ["/bin/x", text]


@given(st.lists(LINE, min_size=1, max_size=4))
@examples(200)
def test_any_systemd_words_read_back(systemd_split, argv):
    assert systemd_split(quoting.systemd_argv(argv)) == argv


@pytest.mark.parametrize("text", ["a # b", "a;b", " a", "a ", "a\nb"])
def test_ini_refuses_what_it_cannot_hold(text):
    with pytest.raises(quoting.Unquotable):
        quoting.ini(text)


def test_ini_section_refuses_its_own_end():
    with pytest.raises(quoting.Unquotable, match="ends a section"):
        quoting.ini_section("a]b")


@pytest.mark.parametrize("quote", [quoting.shell, quoting.systemd, quoting.word, quoting.ini])
def test_a_line_break_is_refused(quote):
    with pytest.raises(quoting.Unquotable):
        quote("a\nExecStart=/bin/evil")


def test_markdown_text_cannot_open_a_table_cell_or_a_link():
    assert quoting.markdown("a|b [c](d) <e>\nf") == r"a\|b \[c\](d) \<e\> f"


def test_markdown_code_survives_backticks_and_cells():
    assert quoting.markdown_code("a`b|c") == "``a`b\\|c``"
    assert quoting.markdown_code("`") == "`` ` ``"


def test_mermaid_label_cannot_end_itself():
    assert quoting.mermaid('a"] --> <b>') == '"a&quot;] --&gt; &lt;b&gt;"'


@pytest.mark.parametrize(
    ("value", "text"), [(0.7, "0.7"), (1e-05, "1.0e-05"), (1e22, "1.0e+22"), (3.0, "3.0")]
)
def test_floats_look_alike_to_every_reader(value, text):
    assert quoting.number(value) == text
    assert json.loads(text) == value
    assert pyyaml.safe_load(text) == value


@given(TEXT)
@examples(200)
def test_html_reads_back_by_a_strict_parser(text):
    quoted = quoting.html(text)
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    found = parser.parseFragment(f'<p title="{quoted}">{quoted}</p>').find("p")
    plain = re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", text)
    assert [quoting.html(item or "") for item in (found.text, found.get("title"))] == [quoted] * 2
    assert len(found.text or "") == len(plain)


@pytest.mark.parametrize("text", ["\u202egnp.exe", "a\u200fb", "\ufffe", "\U0001ffff", "\x9b31m"])
def test_html_has_nothing_that_turns_a_line_around_or_that_is_no_character(text):
    assert "\ufffd" in quoting.html(text)
    assert not {*"\u202e\u200f\ufffe\U0001ffff\x9b"} & {*quoting.html(text)}
