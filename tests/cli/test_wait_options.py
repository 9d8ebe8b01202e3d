"""`up --wait` on the command line: ^C, words that do not go together, and the exit code."""

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from llmgen.cli import ready
from llmgen.cli.boundary import root
from llmgen.cli.outcome import Outcome
from llmgen.operate.status.ready import Lack
from llmgen.operate.status.rows import ExpectedService
from llmgen.targets.services import Service

WANTED = [ExpectedService(Service(name, "", ()), f"{name}.service", 1, "") for name in ("a", "b")]
STARTED = Outcome({"started": ["a.service"]}, said="started: a.service")


@pytest.fixture
def waited(monkeypatch):
    """What `answering` makes of a wait that ends so."""
    for name in ("plan", "asking"):
        monkeypatch.setattr(ready, name, lambda _: SimpleNamespace(site=None))
    monkeypatch.setattr("llmgen.operate.managers.by_cron.is_by_cron", lambda _: False)
    monkeypatch.setattr("llmgen.operate.status.stack.expected", lambda *_: WANTED)
    monkeypatch.setattr("llmgen.operate.status.ready.ready_seconds", lambda *_: 240)

    def call(ends, units=None, seconds=0):
        asked = []

        def stand_in(_plan, _who, wanted, limit, _alive):
            asked.append(([item.service.name for item in wanted], limit))
            if isinstance(ends, BaseException):
                raise ends
            return ends

        monkeypatch.setattr(ready, "_wait", stand_in)
        return ready.answering(None, STARTED, seconds, units), asked

    return call


def test_all_that_answer_are_named(waited):
    done, asked = waited([])
    assert (done.code, done.data["ready"], asked) == (0, True, [(["a", "b"], 240)])
    assert done.said == "started: a.service\nready: a, b"


def test_named_services_alone_are_waited_for_as_long_as_is_said(waited):
    assert waited([], ["b.service"], 7)[1] == [(["b"], 7)]
    assert waited([], ["guard.timer"])[1] == []


def test_who_does_not_answer_is_an_error_of_its_class(waited):
    done, _ = waited([Lack("a", "it ran out of memory", is_over=True)])
    assert (done.code, done.data["ready"]) == (4, False)
    assert [item.message for item in done.diagnostics] == [
        "`a` does not answer: it ran out of memory"
    ]


def test_interrupt_ends_the_waiting_and_says_that_the_stack_goes_on(waited):
    done, _ = waited(KeyboardInterrupt())
    assert (done.code, done.data) == (130, {"started": ["a.service"], "ready": False})
    assert "the stack goes on" in done.said


@pytest.mark.parametrize(
    "words",
    [
        "up --wait-timeout 5",
        "up --foreground --wait",
        "up --wait --wait-timeout 0",
        "install --wait --dry-run",
        "install --wait --cron",
        "install --wait --no-restart",
    ],
)
def test_words_that_do_not_go_together_are_wrong_usage(words):
    assert CliRunner().invoke(root, words.split()).exit_code == 2
