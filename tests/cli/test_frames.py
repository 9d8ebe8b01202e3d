from click import unstyle

from llmgen.cli.frames import frames
from llmgen.errors import Diagnostic, Location


def test_frame_shows_place_line_caret_note_and_hint():
    item = Diagnostic(
        "config.unknown-key",
        "unknown key `ctx_sise` in [models.coder]",
        location=Location("llm.toml", 14, 1, 8, "ctx_sise = 32768"),
        notes=("weights 17.3 GiB",),
        hint="did you mean `ctx_size`?",
    )
    assert unstyle(frames([item])) == (
        "error[config.unknown-key]: unknown key `ctx_sise` in [models.coder]\n"
        "  --> llm.toml:14:1\n"
        "   |\n"
        "14 | ctx_sise = 32768\n"
        "   | ^^^^^^^^\n"
        "   |\n"
        "   = note: weights 17.3 GiB\n"
        "   = hint: did you mean `ctx_size`?\n"
    )


def test_short_form_is_one_line():
    item = Diagnostic("a.b", "wrong", location=Location("llm.toml", 3, 2))
    assert unstyle(frames([item], short=True)) == "llm.toml:3:2: error[a.b]: wrong\n"


def test_caret_never_runs_past_the_line():
    item = Diagnostic("a.b", "wrong", location=Location("f", 1, 3, 99, "abcde"))
    assert "  |   ^^^\n" in frames([item])
