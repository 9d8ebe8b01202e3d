"""Keys choose, load, unload once it is meant, and open a log."""

import pytest
from moments import CODER, SMALL, moment
from msgspec.structs import replace

from llmgen.top.screen import KEYS, LOG_KEYS, Screen


class Acting:
    """Notes what it is told."""

    def __init__(self):
        self.done = []

    def load(self, name):
        self.done.append(("load", name))
        return f"loaded {name}"

    def unload(self, name):
        self.done.append(("unload", name))
        return f"unloaded {name}"

    def log(self, name):
        return [f"{name} says {number}" for number in range(100)]


@pytest.fixture
def acting():
    return Acting()


@pytest.fixture
def screen(acting):
    made = Screen(acting, lambda work: work())
    made.show(moment(SMALL, CODER))
    return made


def text(screen, width=80, height=24):
    return [line.plain for line in screen.lines(width, height)]


def test_before_the_first_look_nothing_is_claimed(acting):
    screen = Screen(acting, lambda work: work())
    assert text(screen) == ["looking at the stack ..."]
    screen.note = "the ledger cannot be read"
    assert text(screen) == ["the ledger cannot be read"]


def test_the_first_model_in_memory_is_chosen_and_keys_move(screen):
    def chosen():
        return next(line for line in text(screen) if line.startswith(">")).split()[1]

    assert chosen() == "coder"
    for key, name in (("down", "small"), ("down", "small"), ("up", "coder"), ("end", "small"),
                      ("home", "coder"), ("j", "small"), ("k", "coder"), ("x", "coder")):  # fmt: skip
        assert screen.press(key)
        assert chosen() == name


def test_l_loads_what_is_chosen(screen, acting):
    screen.press("down")
    screen.press("l")
    assert acting.done == [("load", "small")]
    assert "loaded small" in text(screen)
    screen.press("up")
    assert "loaded small" not in text(screen)


def test_u_unloads_a_model_at_work_when_it_is_pressed_twice(screen, acting):
    screen.press("u")
    assert acting.done == []
    assert "coder is answering; u again cuts that off" in text(screen)
    screen.press("down")
    screen.press("up")
    screen.press("u")
    assert acting.done == []
    screen.press("u")
    assert acting.done == [("unload", "coder")]


def test_one_thing_is_done_at_a_time(acting):
    waiting = []
    screen = Screen(acting, waiting.append)
    screen.show(moment(replace(CODER, row=replace(CODER.row, busy=0))))
    screen.press("u")
    screen.press("u")
    screen.press("l")
    assert len(waiting) == 1


def test_a_log_takes_the_screen_and_scrolls(screen):
    screen.press("o")
    lines = text(screen, height=10)
    assert (lines[0], lines[1], lines[8], lines[9]) == (
        "log of coder", "coder says 92", "coder says 99", LOG_KEYS,
    )  # fmt: skip
    screen.press("up")
    assert text(screen, height=10)[8] == "coder says 98"
    for _ in range(20):
        screen.press("page up")
    assert text(screen, height=10)[1] == "coder says 0"
    screen.press("page down")
    assert text(screen, height=10)[1] == "coder says 10"
    screen.press("escape")
    assert text(screen)[-1] == KEYS


def test_q_ends_it_in_a_log_too(screen):
    assert not screen.press("q")
    screen.press("o")
    assert not screen.press("q")


def test_a_model_that_is_gone_from_the_plan_is_not_chosen(screen):
    screen.press("end")
    screen.show(moment(CODER))
    assert any(line.startswith("> coder") for line in text(screen))
