"""What is proved of small pools against every course that a scheduler and controllers can take."""

import pytest
from nodes_brute import Scheduler, TooMany, drawn, every_way, outcomes

from llmgen.cluster.nodes import Nodes
from llmgen.cluster.packing import priorities, prove

DRAWS = 500


def said(verdict, truth):
    """Small pools are always decided."""
    assert verdict == ("yes" if truth else "no")


def check_fit(found, nodes, pods, count):
    scheduler = Scheduler(nodes, pods, count)
    assert found.nodes == count
    ends = {scheduler.waiting(state) for state in scheduler.ends(scheduler.empty)}
    said(found.certain, not any(map(any, ends)))
    waits = {pod.name for at, pod in enumerate(pods) if any(end[at] for end in ends)}
    assert {*found.may_wait} == waits
    # What is best is lost by the highest priority last.
    levels = sorted({pod.priority for pod in pods}, reverse=True)

    def by_level(waiting):
        return [
            sum(count for pod, count in zip(pods, waiting, strict=True) if pod.priority == level)
            for level in levels
        ]

    best = min(map(by_level, ends))
    said(found.possible, not any(best))
    waiting = dict(found.waiting)
    assert found.fewest
    assert by_level([waiting.get(pod.name, 0) for pod in pods]) == best
    assert bool(found.reason) == (found.certain != "yes")


@pytest.mark.parametrize("part", range(20))
def test_room_is_what_every_order_of_arrival_comes_to(part):
    for seed in range(part * DRAWS, (part + 1) * DRAWS):
        nodes, pods = drawn(seed)
        found = prove(nodes, pods)
        check_fit(found.all_nodes, nodes, pods, nodes.count)
        check_fit(found.one_lost, nodes, pods, nodes.count - 1)
        if seed % 10 == 0 and nodes.count ** sum(pod.copies for pod in pods) < 1000:
            said(found.all_nodes.possible, every_way(nodes, pods))


@pytest.mark.parametrize("part", range(20))
def test_losing_a_node_comes_to_what_is_proved_of_one_node_less(part):
    for seed in range(part * 100, (part + 1) * 100):
        nodes, pods = drawn(seed + 1_000_000)
        found = prove(nodes, pods)
        if found.all_nodes.certain != "yes":
            continue
        waits, less = set(), Scheduler(nodes, pods, nodes.count - 1)
        for state in Scheduler(nodes, pods).complete():
            for lost in range(nodes.count):
                for end in less.ends((*state[:lost], *state[lost + 1 :])):
                    for pod, count in zip(pods, less.waiting(end), strict=True):
                        waits |= {pod.name} if count else set()
        assert {*found.one_lost.may_wait} == waits


@pytest.mark.parametrize("part", range(20))
def test_updates_come_to_what_every_course_comes_to(part):
    undecided = 0
    for seed in range(part * 100, (part + 1) * 100):
        nodes, pods = drawn(seed + 2_000_000, nodes=3, most=5)
        found = prove(nodes, pods)
        assert (found.all_at_once is None) == (found.all_nodes.possible == "no")
        if found.all_at_once is None:
            continue
        equal = len({pod.priority for pod in pods}) == 1
        try:
            for at, rollout in enumerate(found.rollouts):
                truth = outcomes(nodes, pods, [at])
                said(rollout.certain, False not in truth)
                if rollout.possible == "unknown":
                    assert not equal
                    undecided += 1
                else:
                    said(rollout.possible, True in truth)
            if equal:
                undecided += check_all_at_once(found.all_at_once, nodes, pods)
        except TooMany:
            continue
    assert undecided <= 10


def check_all_at_once(found, nodes, pods):
    truth = outcomes(nodes, pods, range(len(pods)))
    for verdict, so in ((found.certain, False not in truth), (found.possible, True in truth)):
        if verdict != "unknown":
            said(verdict, so)
    return "unknown" in (found.certain, found.possible)


@pytest.mark.parametrize("part", range(20))
def test_priorities_by_size_leave_no_pod_waiting(part):
    for seed in range(part * 100, (part + 1) * 100):
        nodes, pods = drawn(seed + 3_000_000, priorities=False)
        found = priorities(nodes, pods)
        if found is None:
            continue
        changed = [type(pod)(pod.name, pod.request, pod.copies, 0, found[pod.name]) for pod in pods]
        scheduler = Scheduler(nodes, changed)
        assert all(not any(scheduler.waiting(end)) for end in scheduler.ends(scheduler.empty))


def test_a_pool_without_nodes_holds_no_pod():
    nodes, pods = drawn(1)
    found = prove(Nodes("none", 0, nodes.allocatable), pods)
    assert found.all_nodes.possible == "no"
    assert dict(found.all_nodes.waiting) == {pod.name: pod.copies for pod in pods}
