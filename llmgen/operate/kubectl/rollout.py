"""How far pods are: how many are ready, on which nodes, and why the rest is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from llmgen.operate.kubectl.objects import labels, part, rows, thing
from llmgen.targets.kubernetes.names import APP

# Controllers whose pods are waited for, and custom resources that say whether they are ready.
CONTROLLERS: Final = (
    "deployments.apps",
    "statefulsets.apps",
    "jobs.batch",
    "leaderworkersets.leaderworkerset.x-k8s.io",
    "inferenceservices.serving.kserve.io",
    "llminferenceservices.serving.kserve.io",
)
_COUNTED: Final = frozenset({"Deployment", "StatefulSet", "LeaderWorkerSet"})
_LONGEST: Final = 300


class RunningPod(Struct, frozen=True):
    """A pod: on which node, in which state since when, and why."""

    name: str
    node: str
    state: str
    since: str
    why: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it answers."""
        return self.state == "ready"


class Workload(Struct, frozen=True):
    """A controller's pods: ``is_settled`` once all that are wanted are there, new and ready."""

    name: str
    kind: str
    ready: int
    wanted: int
    nodes: tuple[str, ...]
    state: str
    since: str
    why: str
    is_settled: bool
    pods: tuple[RunningPod, ...] = ()


def workloads(
    controllers: Sequence[Mapping[str, Any]], pods: Sequence[Mapping[str, Any]]
) -> list[Workload]:
    """The stack's controllers in order, with their pods."""
    found: dict[str, list[RunningPod]] = {}
    for item in pods:
        found.setdefault(str(labels(item).get(APP, "")), []).append(_pod(item))
    return [_workload(item, found.get(_app(item), [])) for item in controllers]


def _app(item: Mapping[str, Any]) -> str:
    return str(labels(item).get(APP, item["metadata"]["name"]))


def _workload(item: Mapping[str, Any], pods: Sequence[RunningPod]) -> Workload:
    kind = thing(item).kind
    wanted, ready, settled = _counts(item, kind)
    state, since, why = _state(item, pods, settled=settled)
    nodes = tuple(sorted({pod.node for pod in pods if pod.node}))
    return Workload(
        item["metadata"]["name"], kind, ready, wanted, nodes, state, since, why, settled, (*pods,)
    )


def _counts(item: Mapping[str, Any], kind: str) -> tuple[int, int, bool]:
    """Pods that are wanted, those that are ready, and whether the controller is done."""
    spec, status = part(item, "spec"), part(item, "status")
    is_seen = _int(status.get("observedGeneration")) >= _int(item["metadata"].get("generation"))
    if kind == "Job":
        wanted = _int(spec.get("completions"), 1)
        done = _int(status.get("succeeded"))
        return wanted, done, done >= wanted
    if kind not in _COUNTED:
        is_ready = any(_is(condition, "Ready") for condition in rows(status.get("conditions")))
        return 1, int(is_ready), is_ready and is_seen
    wanted, ready = _int(spec.get("replicas"), 1), _int(status.get("readyReplicas"))
    updated = _int(status.get("updatedReplicas"))
    total = _int(status.get("replicas"))
    return wanted, ready, is_seen and ready == wanted == updated == total


def _state(
    item: Mapping[str, Any], pods: Sequence[RunningPod], *, settled: bool
) -> tuple[str, str, str]:
    """In which state all are: of several pods the one that is worst off says it."""
    if settled:
        since = max((pod.since for pod in pods), default="")
        return ("done" if thing(item).kind == "Job" else "ready"), since, ""
    if failed := next(_failed(item), None):
        return failed
    bad = [pod for pod in pods if not pod.is_ready]
    if bad:
        worst = min(bad, key=lambda pod: (_RANK.get(pod.state, 0), pod.name))
        return worst.state, worst.since, worst.why
    return "waiting", "", "no pods yet" if not pods else "its pods are being replaced"


# What passes by itself stands behind what does not.
_RANK: Final = {"pending": 1, "starting": 2, "loading": 3, "not ready": 2, "ending": 4, "done": 5}


def _failed(item: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Why the controller cannot make pods, or has given up."""
    for condition in rows(part(item, "status").get("conditions")):
        kind, status = condition.get("type"), condition.get("status")
        bad = kind in ("ReplicaFailure", "Failed") and status == "True"
        if bad:
            since = str(condition.get("lastTransitionTime", ""))
            yield "refused" if kind == "ReplicaFailure" else "failed", since, _said(condition)


def _pod(item: Mapping[str, Any]) -> RunningPod:
    meta, spec, status = item["metadata"], part(item, "spec"), part(item, "status")
    state, since, why = _of_pod(item, status)
    return RunningPod(
        str(meta["name"]),
        str(spec.get("nodeName", "")),
        state,
        since or str(status.get("startTime") or meta.get("creationTimestamp", "")),
        _short(why),
    )


def _of_pod(item: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[str, str, str]:
    if "deletionTimestamp" in item["metadata"]:
        return "ending", str(item["metadata"]["deletionTimestamp"]), ""
    conditions = {str(one.get("type")): one for one in rows(status.get("conditions"))}
    placed = conditions.get("PodScheduled", {})
    if placed.get("status") == "False":
        return "pending", str(placed.get("lastTransitionTime", "")), _said(placed)
    ready = conditions.get("Ready", {})
    if ready.get("status") == "True":
        return "ready", str(ready.get("lastTransitionTime", "")), ""
    phase = str(status.get("phase", ""))
    if phase == "Succeeded":
        return "done", "", ""
    for container in (
        *rows(status.get("initContainerStatuses")),
        *rows(status.get("containerStatuses")),
    ):
        if found := _container(container):
            return found
    if phase == "Failed":
        return "failed", "", str(status.get("message") or status.get("reason") or "")
    return ("starting" if phase != "Running" else "not ready"), "", ""


def _container(item: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """What a container waits for, in the words of kubelet; None where it is well."""
    states = part(item, "state")
    waits = part(states, "waiting")
    reason = str(waits.get("reason", ""))
    if reason and reason not in ("PodInitializing", "ContainerCreating"):
        return reason, "", _ended(item) or str(waits.get("message", ""))
    if "running" in states and not item.get("started") and not item.get("ready"):
        return "loading", str(part(states, "running").get("startedAt", "")), _ended(item)
    return None


def _ended(item: Mapping[str, Any]) -> str:
    """How it ended the last time."""
    last = part(part(item, "lastState"), "terminated")
    if not last:
        return ""
    times = _int(item.get("restartCount"))
    said = f"{last.get('reason', 'ended')}, exit code {last.get('exitCode', '?')}"
    return f"{said}, {times} restart{'s' if times != 1 else ''}"


def _is(condition: Mapping[str, Any], name: str) -> bool:
    return condition.get("type") == name and condition.get("status") == "True"


def _said(condition: Mapping[str, Any]) -> str:
    return _short(str(condition.get("message") or condition.get("reason") or ""))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[:_LONGEST]} …"


def _int(found: object, absent: int = 0) -> int:
    return found if isinstance(found, int) else absent
