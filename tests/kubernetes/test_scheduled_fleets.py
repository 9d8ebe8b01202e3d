"""Real scheduler and controllers on nodes of KWOK: what is proved of a fleet is what happens."""

import copy
import json
import os
from functools import partial

import pytest
from control_plane import SCHEDULING, control_plane, node
from fleets_of_pods import Drawn, deployments

from llmgen.targets.kubernetes.demand import proofs

pytestmark = [pytest.mark.reader(*SCHEDULING), pytest.mark.thorough]

COUNT = int(os.environ.get("LLMGEN_POD_FLEETS_COUNT", "200"))
# So many at a time: each has its own nodes and namespace.
BATCH = 25


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with control_plane(tmp_path_factory.mktemp("fleets"), nodes=[]) as made:
        yield made


class Fleet:
    """One of them in the cluster."""

    def __init__(self, cluster, seed, **how):
        self.cluster, self.drawn = cluster, Drawn(seed, **how)
        self.scene = self.drawn.scene()
        self.proofs = {proof.pool: proof for proof in proofs(self.scene)}

    def apply(self, scene=None):
        self.cluster.apply(deployments(scene or self.scene), "--force-conflicts")

    def wanted(self):
        return {app.name: (app.unit.pool, app.unit.copies) for app in self.scene.apps}

    def running(self):
        """How many pods of each controller have a node."""
        found = dict.fromkeys(self.wanted(), 0)
        for pod in self.pods():
            found[app_of(pod)] += bool(pod["spec"].get("nodeName"))
        return found

    def pods(self):
        pods = self.cluster.read(f"/api/v1/namespaces/{self.drawn.namespace}/pods")["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def settled(self):
        """Every pod is on a node, or the scheduler said that there is none for it."""
        pods = self.pods()
        every = sum(copies for _, copies in self.wanted().values())
        return len(pods) >= every and all(decided(pod) for pod in pods)


def app_of(pod):
    return pod["metadata"]["labels"]["app.kubernetes.io/name"]


def decided(pod):
    conditions = pod["status"].get("conditions", ())
    held = any(item["type"] == "PodScheduled" and item["status"] == "False" for item in conditions)
    return held or bool(pod["spec"].get("nodeName"))


def ready(cluster):
    """Every node takes pods."""
    nodes = cluster.read("/api/v1/nodes")["items"]
    return nodes and not any("taints" in item["spec"] for item in nodes)


def placed(fleet, pool):
    """Every pod of a pool has a node."""
    return fleet.settled() and waiting(fleet, pool) == 0


def waiting(fleet, pool):
    """How many pods of a pool have no node."""
    found = fleet.running()
    return sum(n - found[app] for app, (at, n) in fleet.wanted().items() if at == pool)


@pytest.mark.parametrize("first", range(0, COUNT, BATCH))
def test_pods_have_nodes_where_that_is_proved_and_wait_where_it_is_refused(cluster, first):
    fleets = [Fleet(cluster, seed) for seed in range(first, min(first + BATCH, COUNT))]
    cluster.apply([item for fleet in fleets for item in fleet.drawn.nodes(node)])
    cluster.until(lambda: ready(cluster), 180)
    for fleet in fleets:
        fleet.apply()
    seen = {"certain": 0, "refused": 0}
    for fleet in fleets:
        cluster.until(fleet.settled, 180)
        for pool, proof in fleet.proofs.items():
            judge(fleet, pool, proof.all_nodes, seen)
    for fleet in fleets:
        one_more(cluster, fleet)
        lost(cluster, fleet)
    for fleet in fleets:
        cluster.kubectl("delete", "namespace", fleet.drawn.namespace, "--wait=false")
    assert seen["certain"]
    assert seen["refused"]


def judge(fleet, pool, fit, seen):
    """What the scheduler did with the pods of a pool, beside what is said of them."""
    if fit.certain == "yes":
        # What the scheduler says at first may be of nodes that it does not know yet.
        fleet.cluster.until(partial(placed, fleet, pool), 180)
        seen["certain"] += 1
    if fit.possible == "no":
        held = waiting(fleet, pool)
        least = sum(count for _, count in fit.waiting) if fit.fewest else 1
        assert held >= least > 0, (fleet.drawn.seed, pool, held, fit.waiting)
        seen["refused"] += 1


def one_more(cluster, fleet):
    """A pod more of each model that is refused then waits, when all had a node before."""
    for number, model in enumerate(fleet.drawn.models):
        pool = model["pool"]
        if fleet.proofs[pool].all_nodes.certain != "yes":
            continue
        scene = fleet.drawn.scene(more=number)
        (fit,) = (proof.all_nodes for proof in proofs(scene) if proof.pool == pool)
        if fit.possible == "no":
            (app,) = (item for item in scene.apps if item.name == f"model-m{number}")
            scaled(cluster, fleet, app.name, app.unit.copies)
            cluster.until(partial(held, fleet, app.name), 120)
            scaled(cluster, fleet, app.name, app.unit.copies - 1)
            return


def scaled(cluster, fleet, name, copies):
    words = ("scale", f"deployment/{name}", f"--replicas={copies}")
    cluster.kubectl(*words, "--namespace", fleet.drawn.namespace)


def held(fleet, app):
    """The scheduler said of a pod of this controller that no node has room for it."""
    return [
        item["message"]
        for pod in fleet.pods()
        if app_of(pod) == app and not pod["spec"].get("nodeName")
        for item in pod["status"].get("conditions", ())
        if item["type"] == "PodScheduled" and "Insufficient" in item.get("message", "")
    ]


def lost(cluster, fleet):
    """A node goes: of the pools where all pods still have room in any order none waits for long."""
    for pool, proof in fleet.proofs.items():
        if proof.all_nodes.certain != "yes" or not fleet.wanted():
            continue
        here = [app for app, (at, _) in fleet.wanted().items() if at == pool]
        if not here:
            continue
        name = f"{pool}-0"
        cluster.kubectl("cordon", name)
        gone = [pod for pod in fleet.pods() if pod["spec"].get("nodeName") == name]
        if gone:
            place = ("--namespace", fleet.drawn.namespace, "--grace-period=0", "--force")
            cluster.kubectl("delete", "pod", *(pod["metadata"]["name"] for pod in gone), *place)
        cluster.until(fleet.settled, 120)
        fit = proof.one_lost
        if fit.certain == "yes":
            cluster.until(lambda pool=pool: waiting(fleet, pool) == 0, 60)
        elif fit.possible == "no":
            assert waiting(fleet, pool) > 0, (fleet.drawn.seed, pool)
        cluster.kubectl("uncordon", name)


ROLLED = 40


def test_a_rolling_update_ends_where_that_is_proved_and_hangs_where_it_is_refused(cluster):
    seen = {"yes": 0, "no": 0}
    fleets = [Fleet(cluster, seed + 10_000, full=seed % 2 == 0) for seed in range(ROLLED)]
    fleets = [fleet for fleet in fleets if certain(fleet)]
    cluster.apply([item for fleet in fleets for item in fleet.drawn.nodes(node)])
    cluster.until(lambda: ready(cluster), 180)
    for fleet in fleets:
        fleet.apply()
    for fleet in fleets:
        for pool in fleet.proofs:
            cluster.until(partial(placed, fleet, pool), 180)
        for proof in fleet.proofs.values():
            for one in proof.rollouts:
                if one.certain == "yes" or one.possible == "no":
                    seen[one.possible] += 1
                    rolled(cluster, fleet, one)
    assert min(seen.values()) > 0, seen


def certain(fleet):
    return all(proof.all_nodes.certain == "yes" for proof in fleet.proofs.values())


def rolled(cluster, fleet, one):
    """Another template for the controller's pods, and what becomes of it."""
    (name,) = one.pods
    (given,) = (item for item in deployments(fleet.scene) if item["metadata"]["name"] == name)
    changed = copy.deepcopy(given)
    changed["spec"]["template"]["metadata"]["annotations"] = {"test": "changed"}
    cluster.apply([changed], "--force-conflicts")
    if one.possible == "no":
        cluster.until(lambda: held(fleet, name), 120)
        return
    cluster.until(lambda: updated(cluster, fleet, given, name), 180)


def updated(cluster, fleet, given, name):
    path = f"/apis/apps/v1/namespaces/{fleet.drawn.namespace}/deployments/{name}"
    status = cluster.read(path)["status"]
    wanted = given["spec"]["replicas"]
    return status.get("updatedReplicas", 0) == wanted == status.get("replicas", 0)


def test_the_fleets_are_not_all_alike():
    texts = {json.dumps(Drawn(seed).pools) for seed in range(20)}
    assert len(texts) == 20
