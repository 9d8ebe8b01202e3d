"""Why pods are not ready, in the words of scheduler and kubelet."""

import pytest

from llmgen.operate.kubectl.place import ClusterPlace
from llmgen.operate.kubectl.rollout import workloads
from llmgen.operate.kubectl.watch import not_ready

NAME = "app.kubernetes.io/name"
WHEN = "2026-11-29T10:00:00Z"


def deployment(*, ready=0, wanted=1, **status):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coder", "generation": 2, "labels": {NAME: "coder"}},
        "spec": {"replicas": wanted},
        "status": {
            "observedGeneration": 2,
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": ready,
            **status,
        },
    }


def pod(name="coder-1", *, phase="Pending", node="one", conditions=(), containers=(), **meta):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {NAME: "coder"}, **meta},
        "spec": {"nodeName": node},
        "status": {
            "phase": phase,
            "startTime": WHEN,
            "conditions": [{"lastTransitionTime": WHEN, **item} for item in conditions],
            "containerStatuses": [*containers],
        },
    }


READY = pod(phase="Running", conditions=[{"type": "Ready", "status": "True"}])
UNPLACED = {
    "type": "PodScheduled",
    "status": "False",
    "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
}
ENDED = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


def waits(reason, message="", **more):
    return {"state": {"waiting": {"reason": reason, "message": message}}, **more}


CASES = [
    (pod(node="", conditions=[UNPLACED]), "pending", "Insufficient nvidia.com/gpu"),
    (pod(containers=[waits("ImagePullBackOff", "Back-off pulling image x")]), "ImagePullBackOff", "image x"),
    (
        pod(containers=[waits("CrashLoopBackOff", "back-off", lastState=ENDED, restartCount=7)]),
        "CrashLoopBackOff",
        "OOMKilled, exit code 137, 7 restarts",
    ),
    (pod(containers=[waits("CreateContainerConfigError", 'secret "llmgen-keys" not found')]),
     "CreateContainerConfigError", "llmgen-keys"),
    (pod(containers=[waits("ContainerCreating")]), "starting", ""),
    (pod(phase="Running", containers=[{"state": {"running": {"startedAt": WHEN}}, "started": False}]), "loading", ""),
    (pod(phase="Running", containers=[{"state": {"running": {}}, "started": True}]), "not ready", ""),
    (pod(phase="Running", deletionTimestamp=WHEN), "ending", ""),
]  # fmt: skip


@pytest.mark.parametrize(("item", "state", "why"), CASES)
def test_state_of_a_pod(item, state, why):
    (found,) = workloads([deployment()], [item])
    assert (found.state, found.is_settled, found.ready, found.wanted) == (state, False, 0, 1)
    assert why in found.why
    (told,) = not_ready([found], 30, ClusterPlace("lab", "llm"))
    assert "`coder` has 0 of 1 ready after 30 s" in told.message
    assert told.hint


def test_all_ready():
    (found,) = workloads([deployment(ready=1)], [READY])
    assert (found.state, found.nodes, found.since, found.is_settled) == (
        "ready",
        ("one",),
        WHEN,
        True,
    )


def test_the_pod_that_is_worst_off_says_it():
    crashed = pod("coder-2", containers=[waits("CrashLoopBackOff", lastState=ENDED)])
    loading = CASES[5][0]
    (found,) = workloads([deployment(ready=1, wanted=3)], [READY, loading, crashed])
    assert found.state == "CrashLoopBackOff"


def test_an_old_replica_is_not_the_new_one():
    (found,) = workloads([deployment(ready=1, updatedReplicas=0)], [READY])
    assert (found.is_settled, found.why) == (False, "its pods are being replaced")
    (found,) = workloads([deployment(ready=1, observedGeneration=1)], [READY])
    assert not found.is_settled


def test_a_controller_that_may_make_no_pods():
    said = 'pods "coder-" is forbidden: violates PodSecurity "restricted:v1.34": runAsNonRoot'
    failure = {"type": "ReplicaFailure", "status": "True", "message": said}
    (found,) = workloads([deployment(conditions=[failure], replicas=0)], [])
    assert (found.state, found.why) == ("refused", said)


def test_a_job_is_done():
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "download", "labels": {NAME: "download"}},
        "spec": {"completions": 1},
        "status": {"succeeded": 1},
    }
    (found,) = workloads([job], [])
    assert (found.state, found.is_settled) == ("done", True)
    (found,) = workloads(
        [{**job, "status": {"conditions": [{"type": "Failed", "status": "True", "message": "m"}]}}],
        [],
    )
    assert (found.state, found.why) == ("failed", "m")


@pytest.mark.parametrize(
    "status",
    [None, [], {"conditions": 7}, {"conditions": [7]}, {"containerStatuses": [{"state": 1}]}],
)
def test_odd_answers_are_no_bug(status):
    item = pod()
    item["status"] = status
    controller = deployment()
    controller["status"] = status
    (found,) = workloads([controller], [item])
    assert not found.is_settled
