"""`--wait`: who is waited for, how long, and why no longer; with looks that stand for a stack's."""

import pytest
from msgspec.structs import replace

from llmgen.errors import Severity
from llmgen.operate.status.observations import Observed, Process, ServerState, UnitState
from llmgen.operate.status.ready import Clock, not_ready, until_ready
from llmgen.operate.status.rows import ExpectedService
from llmgen.targets.services import Service

UNIT = "llmgen-model-a.service"
MODEL = ExpectedService(Service("model-a", "", ("/bin/llama-server",)), UNIT, 9001, "")
SWAP = ExpectedService(Service("swap", "", ("/bin/llama-swap",)), "llmgen-swap.service", 8080, "")
UP = UnitState(is_loaded=True, is_active=True, state="active", pid=10)
FAILED = UnitState(is_loaded=True, is_active=False, state="failed", result="exit-code", exit_code=7)
AGAIN = replace(FAILED, state="activating (auto-restart)")


def look(unit=UP, health="ok", swap="ok", **more):
    units = {UNIT: unit, SWAP.unit: replace(UP, pid=11)}
    return Observed(
        units, {}, answers={"model-a": ServerState(health), "swap": ServerState(swap)}, **more
    )


class Time:
    """Goes on by what is waited."""

    def __init__(self):
        self.seconds = 0.0

    def pause(self, seconds):
        self.seconds += seconds

    @property
    def clock(self):
        return Clock(lambda: self.seconds, self.pause)


def wait(*looks, seconds=10, wanted=(MODEL, SWAP), **settings):
    """(who lacks, seconds that passed, what was told) when these are seen, the last one for ever."""
    waiting, time, said = [*looks], Time(), []
    found = until_ready(
        lambda: waiting.pop(0) if len(waiting) > 1 else waiting[0],
        wanted,
        seconds,
        said.append,
        clock=time.clock,
        **settings,
    )
    return found, time.seconds, said


def test_all_that_answer_are_not_waited_for():
    assert wait(look()) == ([], 0, [])


def test_loading_is_waited_for_and_told():
    found, seconds, said = wait(look(health="loading"), look(swap="no answer"), look())
    assert (found, seconds) == ([], 2)
    assert [(item.service, item.why) for told in said for item in told] == [
        ("model-a", "it is still loading"),
        ("swap", "it runs, and gives no answer"),
    ]


def test_who_still_loads_when_time_is_over_is_named():
    found, seconds, _ = wait(look(health="loading"))
    assert seconds == 10
    (only,) = not_ready(found, 10, by_cron=False)
    assert only.message == "`model-a` does not answer after 10 s: it is still loading"
    assert only.hint == "`llmgen logs model-a` shows what it said"
    assert only.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        (FAILED, "it exited with code 7"),
        (replace(FAILED, result="signal", exit_code=9), "it was ended by signal 9"),
        (replace(FAILED, result="oom-kill"), "it ran out of memory"),
        (replace(FAILED, state="exited", result="out of memory"), "it ran out of memory"),
        (replace(FAILED, state="exited", result="exit code 3"), "it exited with code 3"),
        (replace(FAILED, state="not running", result="78"), "it exited with code 78"),
        (replace(FAILED, result="timeout"), "it is failed (timeout)"),
        (replace(FAILED, state="inactive (dead)", result="success"), "it is inactive (dead)"),
        (replace(FAILED, is_loaded=False), "it is not installed, or was removed"),
    ],
)
def test_what_ended_ends_the_wait(unit, why):
    found, seconds, _ = wait(look(unit, "no answer", swap="loading"))
    assert seconds == 1
    assert [(item.service, item.why, item.is_over) for item in found] == [
        ("model-a", why, True),
        ("swap", "it is still loading", False),
    ]
    severities = [item.severity for item in not_ready(found, 10, by_cron=False)]
    assert severities == [Severity.ERROR, Severity.NOTE]


def test_what_came_back_after_one_crash_is_well():
    back = replace(UP, restarts=1)
    found, seconds, said = wait(look(AGAIN, "no answer"), look(back, "loading"), look(back))
    assert (found, seconds) == ([], 2)
    assert said[0][0].why == "it exited with code 7, and is started again"
    assert said[1][0].why == "it was started again 1 times, it is still loading"


def test_what_ends_again_and_again_ends_the_wait():
    once, twice = look(AGAIN, "no answer"), look(replace(AGAIN, restarts=1), "no answer")
    found, seconds, _ = wait(once, once, twice)
    assert (found[0].why, seconds) == ("it exited with code 7 again and again", 3)


def test_restarts_of_yesterday_do_not_count():
    old = replace(UP, restarts=9)
    assert wait(look(old, "loading"), look(old, "loading"), look(old))[:2] == ([], 2)


def test_a_unit_between_two_states_is_waited_for():
    starting = replace(FAILED, state="activating (start-pre)")
    assert wait(look(starting, "no answer"), look(starting, "no answer"), look())[:2] == ([], 2)


def test_a_look_between_start_and_process_is_looked_at_again():
    thief = Process(77, ("/usr/bin/nginx",), user="www")
    taken = replace(look(health="no answer"), listeners={9001: thief})
    assert wait(taken, look())[:2] == ([], 1)
    found, seconds, _ = wait(taken)
    assert (found[0].is_over, seconds) == (True, 1)
    assert "taken by `nginx`" in found[0].why


def test_without_units_the_end_of_their_keeper_ends_the_wait():
    own = replace(MODEL, unit="")
    silent = Observed({}, {}, answers={"model-a": ServerState("no answer")})
    assert wait(silent, wanted=[own])[1] == 10
    found, seconds, _ = wait(silent, wanted=[own], alive=lambda: False)
    assert (found[0].why, seconds) == ("the stack ended", 1)
    (only,) = not_ready(found, 10, by_cron=True)
    assert only.hint == "`llmgen logs` shows what it said"
