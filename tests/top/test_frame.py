"""A frame fits every terminal, tells all where there is room, and what matters most where not."""

import pytest
from moments import CODER, HOSTILE, MANY, SMALL, TWO, WRONG, model, moment
from msgspec.structs import replace
from rich.cells import cell_len

from llmgen.top.frame import Selection, frame, ordered
from llmgen.top.moment import LiveModel

KEYS = "keys"


def drawn(found, width=200, height=50, **shown):
    return [
        line.plain.rstrip() for line in frame(found, Selection(keys=KEYS, **shown), width, height)
    ]


@pytest.mark.parametrize(
    "found", [TWO, MANY, HOSTILE, moment()], ids=["two", "many", "odd", "none"]
)
def test_every_frame_fits_its_terminal(found):
    for width in (1, 2, 7, 20, 40, 79, 80, 120, 200):
        for height in (1, 2, 3, 5, 8, 12, 19, 20, 24, 30, 50):
            lines = frame(found, Selection("coder", "a note", KEYS), width, height)
            assert len(lines) <= height
            assert max(cell_len(line.plain) for line in lines) <= width
            assert all(line.plain.isprintable() for line in lines)
            if height > 2 and width >= len(KEYS):
                assert lines[-1].plain == KEYS


def test_a_wide_frame_tells_everything():
    text = drawn(TWO, note="done")
    assert text[0] == "box  llama-swap ok  1 of 2 models in memory  41.3 tokens/s  12:00:00"
    assert "host  [##::::..............]  7.0 GiB  8.0 GiB  20.0 GiB    60.0 GiB  64.0 GiB" in text
    (coder,) = [line.split() for line in text if line.startswith("coder")]
    assert " ".join(coder) == "coder ready on demand 32K 1/2 3 41.3 - 7.0 GiB of 8.0 GiB"
    (small,) = [line.split() for line in text if line.startswith("small")]
    told = "small unloaded on demand - - - (12.5) - - made room for coder, 1 min ago"
    assert " ".join(small) == told
    assert "left memory: small: made room for coder, 1 min ago" in text
    assert any(line.split()[:4] == ["swap", "active", "ok", "8080"] for line in text)
    assert text[-2:] == ["done", KEYS]


def test_a_narrow_frame_keeps_name_state_and_work():
    text = drawn(TWO, width=30, height=10)
    assert ["coder", "ready", "1/2"] in [line.split()[:3] for line in text]


def test_a_low_frame_keeps_models_rather_than_pools():
    text = drawn(TWO, width=80, height=6)
    assert any(line.startswith("coder") for line in text)
    assert not any(line.startswith("pool") for line in text)


def test_what_is_in_memory_comes_first_and_the_rest_is_counted():
    assert ordered(MANY)[0] is CODER
    text = drawn(MANY, width=80, height=24)
    assert any(line.startswith("coder") for line in text)
    (head,) = [line for line in text if line.startswith("model")]
    shown = sum(line.startswith(("m", "coder")) for line in text) - 1
    assert head.split()[1] == f"+{1000 - shown}"


def test_the_chosen_model_is_on_the_screen_and_marked_without_colour():
    text = drawn(MANY, width=80, height=24, chosen="m500")
    (line,) = [line for line in text if line.startswith(">")]
    assert line.split()[1] == "m500"


def test_words_of_others_do_nothing_to_the_terminal():
    text = "\n".join(drawn(HOSTILE))
    assert "llama-swap does not answer" in text
    assert "\N{REPLACEMENT CHARACTER}]0;owned" in text
    assert "`coder` holds" in text


def test_what_is_wrong_with_a_service_comes_first_and_says_what():
    swap = TWO.services[0]
    dead = replace(swap, name="model-a", state="failed", health="no answer")
    gone = replace(swap, name="model-b", state="absent", health="no answer")
    found = replace(TWO, services=(swap, dead, gone))
    text = drawn(found, width=80, height=24)
    assert "services: model-a failed, no answer, model-b absent, swap ok" in text


def test_findings_are_told_with_how_many_more_there_are():
    found = replace(TWO, findings=tuple(replace(WRONG, message=f"fault {n}") for n in range(9)))
    text = drawn(found, width=80, height=24)
    assert "error: fault 0" in text
    assert "and 8 more; `llmgen status` tells all" in text
    assert "and 3 more; `llmgen status` tells all" in drawn(found)


def test_a_server_that_is_ready_and_does_not_answer_is_neither():
    row = model("one", "ready").row
    found = LiveModel(row, is_pinned=False, health="no answer")
    assert found.state == "no answer"
    assert LiveModel(row, is_pinned=False, health="ok").state == "ready"


def test_memory_beyond_the_plan_is_marked():
    over = replace(TWO.pools[0], held=20 * 2**30)
    lines = frame(replace(TWO, pools=(over,)), Selection(), 200, 50)
    (line,) = [line for line in lines if line.plain.startswith("host")]
    assert any("red" in str(span.style) for span in line.spans)


def test_the_last_to_leave_is_told():
    before = model("old", left="made room for x")
    found = moment(before, SMALL, last_left="old")
    assert found.last_departure is before
    assert "left memory: old: made room for x, earlier" in drawn(found)
    assert moment(CODER).last_departure is None
