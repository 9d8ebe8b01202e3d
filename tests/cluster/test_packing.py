"""What is said of pools as people have them."""

import random
import time

import pytest

from llmgen.cluster.nodes import Amount, Nodes, Pod
from llmgen.cluster.packing import priorities, prove
from llmgen.units import GIB

GPU = Amount(1, 119 * GIB, 16_000)


def pod(name, devices, gib, copies=1, **other):
    return Pod(name, Amount(devices, int(gib * GIB), 1000), copies, **other)


def pool(count, devices=1, gib=119):
    return Nodes("gpu", count, Amount(devices, gib * GIB, 64_000))


def test_a_pod_larger_than_any_node_is_named_with_what_is_missing():
    found = prove(pool(3, 0, 16), [pod("small", 0, 1), pod("chat", 1, 24.9)])
    assert found.refused == (
        "`chat` requests 1 GPU and 24.9 GiB, and a node of `gpu` has 0 GPUs and 16.0 GiB",
    )
    assert found.all_nodes.waiting == (("chat", 1),)


def test_too_many_pods_are_refused_with_the_sum_that_is_short():
    found = prove(pool(3), [pod("chat", 1, 24.9, 2), pod("code", 1, 80, 2)])
    assert found.refused == (
        "no node for 1 pod of `code`: all pods request 4 GPUs, and the 3 nodes of `gpu` have 3 GPUs",
    )
    assert (found.rollouts, found.all_at_once) == ((), None)


def test_pods_that_no_arrangement_holds_are_refused_although_their_sum_fits():
    found = prove(pool(3, 4), [pod("pair", 2, 10), pod("large", 3, 10, 3)])
    assert found.refused == (
        (
            "no node for 1 pod of `large`: however the others are placed on the 3 nodes of `gpu`, none "
            "keeps 3 GPUs, 10.0 GiB and 1 CPU"
        ),
    )


def test_small_pods_spread_over_nodes_may_strand_a_large_one():
    nodes, pods = pool(2, 4), [pod("whole", 4, 40), pod("small", 1, 10, 2)]
    found = prove(nodes, pods).all_nodes
    assert (found.possible, found.certain, found.may_wait) == ("yes", "no", ("whole",))
    assert found.reason == (
        "`whole` may find no node: kube-scheduler moves no pod, and the others may come to stand so "
        "that none of the 2 nodes of `gpu` keeps 4 GPUs, 40.0 GiB and 1 CPU"
    )
    assert found.hint.endswith("all find a node in any order")
    assert priorities(nodes, pods) == {"whole": 2, "small": 1}


def test_priorities_are_not_offered_where_larger_first_strands_a_pod():
    # 3 + 3 beside 2 + 2 + 2; three first may stand with a two.
    pods = [pod("three", 3, 1, 2), pod("two", 2, 1, 3)]
    assert prove(pool(2, 6), pods).all_nodes.certain == "no"
    assert priorities(pool(2, 6), pods) is None


def test_one_node_to_spare_survives_the_loss_of_any():
    found = prove(pool(3), [pod("chat", 1, 80, 2)]).one_lost
    assert (found.nodes, found.possible, found.certain) == (2, "yes", "yes")


def test_without_a_node_to_spare_the_last_pods_wait():
    found = prove(pool(2), [pod("chat", 1, 80), pod("code", 1, 80)]).one_lost
    assert (found.possible, found.waiting, found.fewest) == ("no", (("code", 1),), True)
    assert found.may_wait == ("chat", "code")


def test_lower_priorities_wait_where_a_node_is_lost():
    found = prove(pool(2), [pod("code", 1, 80), pod("chat", 1, 80, priority=5)]).one_lost
    assert (found.waiting, found.may_wait) == ((("code", 1),), ("code",))


def test_a_surge_without_room_never_ends_and_in_place_always_does():
    pods = [pod("chat", 1, 80, 2, surge=1)]
    dead = prove(pool(2), pods)
    assert dead.refused == (
        (
            "an update of `chat` never ends: beside all pods none of the 2 nodes of `gpu` has "
            "1 GPU, 80.0 GiB and 1 CPU left for a new one"
        ),
    )
    assert dead.rollouts[0].hint.startswith("`maxSurge: 0` and `maxUnavailable: 1`")
    assert prove(pool(3), pods).rollouts[0].certain == "yes"
    in_place = prove(pool(2), [pod("chat", 1, 80, 2)])
    assert (in_place.refused, in_place.all_at_once.certain) == ((), "yes")


def test_a_surge_by_preemption_names_whom_it_stops():
    pods = [pod("chat", 1, 80, surge=1, priority=2), pod("batch", 1, 80)]
    found = prove(pool(2), pods).rollouts[0]
    assert (found.possible, found.certain, found.preempts) == ("yes", "yes", ("batch",))


def test_controllers_without_pods_take_nothing():
    found = prove(pool(1), [pod("chat", 1, 80), pod("asleep", 1, 80, copies=0, surge=1)])
    assert found.all_nodes.certain == "yes"
    assert [one.pods for one in found.rollouts] == [("chat",)]


def test_a_node_takes_no_more_pods_than_the_kubelet():
    found = prove(pool(1), [Pod("tiny", Amount(0, 1, 0), 111)])
    assert found.refused == (
        (
            "no node for 1 pod of `tiny`: all pods request 111 places for pods, and the one node of "
            "`gpu` has 110 places for pods"
        ),
    )


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0, 1.1])
def test_a_thousand_pods_of_fifty_kinds_are_answered_at_once(share):
    luck = random.Random(7)
    pods = [
        pod(f"p{at}", luck.choice((0, 1, 2, 4)), luck.randint(1, 60), 20, surge=1)
        for at in range(50)
    ]
    whole = sum(one.request.devices * one.copies for one in pods)
    start = time.process_time()
    found = prove(pool(100, round(whole / 100 / share), 2000), pods)
    assert time.process_time() - start < 3
    assert found.all_nodes.possible == ("yes" if share < 1 else found.all_nodes.possible)
    assert (found.all_nodes.possible == "no") == (share > 1.05)
