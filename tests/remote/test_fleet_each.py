"""Several hosts side by side: in their order, and each by itself."""

import select
import threading

import pytest

from llmgen.errors import Diagnostic, InputError
from llmgen.remote.connection import Stop
from llmgen.remote.fleet import each
from llmgen.remote.host import Host

HOSTS = [Host(name) for name in ("studio", "spark", "box")]


def test_results_are_in_the_order_of_the_hosts():
    last = threading.Event()

    def call(host, stop):
        del stop
        # The first one waits for the last one: both run at the same time.
        assert host.name == "box" or last.wait(10)
        last.set()
        return host.name.upper()

    found = each(HOSTS, call)
    assert [item.value for item in found] == ["STUDIO", "SPARK", "BOX"]


def test_host_that_fails_does_not_stop_the_others():
    def call(host, stop):
        del stop
        if host.name == "spark":
            raise InputError(Diagnostic("remote.unreachable", "host `spark` is off"))
        return 1

    found = each(HOSTS, call)
    assert [item.value for item in found] == [1, None, 1]
    assert [item.exit_code for item in found] == [0, 4, 0]
    assert found[1].diagnostics[0].code == "remote.unreachable"


def test_more_hosts_than_run_at_once_all_have_their_turn():
    many = [Host(f"host-{number}") for number in range(50)]
    assert [item.value for item in each(many, lambda host, _: host.name)] == [
        host.name for host in many
    ]


def test_bug_in_a_call_is_no_answer_of_a_host():
    def call(host, stop):
        del stop
        raise KeyError(host.name)

    with pytest.raises(KeyError):
        each(HOSTS, call)


def test_stop_is_seen_by_everyone_who_watches_it():
    stop = Stop()
    assert select.select([stop.watched], [], [], 0)[0] == []
    stop.now()
    stop.now()
    assert select.select([stop.watched], [], [], 0)[0] == [stop.watched]
    stop.close()
