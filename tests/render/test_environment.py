"""A template becomes bytes, or one diagnostic with its name and line."""

import errno
import os

import pytest
from jinja2.bccache import Bucket

from llmgen.errors import InputError
from llmgen.render.environment import make_render


def rendered(folder, text, **values):
    (folder / "x.conf.j2").write_text(text)
    return make_render([folder])("x.conf.j2", **values)


def failure(folder, text, **values):
    with pytest.raises(InputError) as caught:
        rendered(folder, text, **values)
    return caught.value.diagnostics[0]


def test_blocks_leave_no_empty_lines(tmp_path):
    text = "a\n  {% for item in items %}\n  {{ item | shell }}\n  {% endfor %}\nb"
    assert rendered(tmp_path, text, items=[1, 2]) == b"a\n  1\n  2\nb\n"


def test_unknown_value_is_named_with_its_line(tmp_path):
    found = failure(tmp_path, "a\n\n{{ nobody | yaml }}\n")
    assert found.code == "render.template"
    assert found.location.line == 3
    assert "'nobody' is undefined" in found.message


def test_syntax_error_is_named_with_its_line(tmp_path):
    found = failure(tmp_path, "a\n{% if %}\n")
    assert found.location.line == 2
    assert found.location.file.endswith("x.conf.j2")


def test_value_that_cannot_be_quoted_is_named_with_its_line(tmp_path):
    found = failure(tmp_path, "{{ a | ini }}\n{{ b | ini }}\n", a="x", b="x # y")
    assert found.location.line == 2
    assert "begin a comment" in found.message


def test_missing_template_is_named():
    with pytest.raises(InputError, match=r"no template `nowhere\.j2`"):
        make_render()("nowhere.j2")


def test_overlay_wins_and_falls_back(tmp_path):
    (tmp_path / "over").mkdir()
    (tmp_path / "under").mkdir()
    (tmp_path / "over" / "a.j2").write_text("mine")
    (tmp_path / "under" / "a.j2").write_text("theirs")
    (tmp_path / "under" / "b.j2").write_text("theirs")
    render = make_render([tmp_path / "over", tmp_path / "under"])
    assert (render("a.j2"), render("b.j2")) == (b"mine\n", b"theirs\n")


def test_comment_stays_on_one_line(tmp_path):
    text = '{{ note | comment }}\n{{ note | comment("<!--") }}'
    assert rendered(tmp_path, text, note="a\nb --> c") == b"# a b --> c\n<!-- a b - -> c -->\n"


def test_nowhere_to_keep_compiled_templates_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "llmgen").write_text("a file where a folder would be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert rendered(tmp_path, "{{ 1 | yaml }}") == b"1\n"


def test_changed_template_is_not_taken_from_an_earlier_run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert rendered(tmp_path, "one") == b"one\n"
    assert any((tmp_path / "cache" / "llmgen" / "templates").iterdir())
    assert rendered(tmp_path, "two") == b"two\n"


@pytest.mark.parametrize("whose", ["another user's", "everybody's"])
def test_compiled_templates_are_not_taken_from_others(tmp_path, monkeypatch, whose):
    # They are code, and would run as this user.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = tmp_path / "llmgen" / "templates"
    kept.mkdir(parents=True)
    if whose == "everybody's":
        kept.chmod(0o777)
    else:
        owner = kept.stat().st_uid
        monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    assert rendered(tmp_path, "{{ 1 | yaml }}") == b"1\n"
    assert not list(kept.iterdir())


def _kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "x.j2").write_text("{{ 1 | yaml }}")
    assert make_render([tmp_path])("x.j2") == b"1\n"
    return [*(tmp_path / "cache").rglob("*.cache")]


@pytest.mark.parametrize("size", [0, 9, 40, 60])
def test_compiled_template_that_was_cut_short_is_compiled_again(tmp_path, monkeypatch, size):
    (file,) = _kept(tmp_path, monkeypatch)
    file.write_bytes(file.read_bytes()[:size])
    assert make_render([tmp_path])("x.j2") == b"1\n"


def test_full_disk_keeps_no_compiled_template(tmp_path, monkeypatch):
    def full(self, stream):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Bucket, "write_bytecode", full)
    assert _kept(tmp_path, monkeypatch) == []
