"""Looking at the stack's controllers and pods, once or until all are ready."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from llmgen.errors import Diagnostic
from llmgen.operate.kubectl.look import served
from llmgen.operate.kubectl.objects import SELECTOR, is_ours
from llmgen.operate.kubectl.place import ClusterPlace
from llmgen.operate.kubectl.reach import Reach
from llmgen.operate.kubectl.rollout import CONTROLLERS, Workload, workloads
from llmgen.operate.status.ready import Clock

_AGAIN_SECONDS = 2.0


def look(reach: Reach) -> list[Workload]:
    """Every controller of the stack with its pods."""
    names = ",".join(served(reach, CONTROLLERS))
    found = reach.listed(("get", names, f"--selector={SELECTOR}", "--ignore-not-found"))
    pods = reach.listed(("get", "pods", f"--selector={SELECTOR}", "--ignore-not-found"))
    return workloads([item for item in found if is_ours(item)], pods)


def until_settled(
    reach: Reach,
    names: Collection[str],
    seconds: float,
    clock: Clock,
    tell: Callable[[Sequence[Workload]], None],
) -> list[Workload]:
    """Look until these have the pods that are wanted; what still has not, in the end."""
    until = clock.now() + seconds
    while True:
        found = [item for item in look(reach) if item.name in names]
        lacking = [item for item in found if not item.is_settled]
        if not lacking or clock.now() >= until:
            return lacking
        tell(lacking)
        clock.pause(_AGAIN_SECONDS)


def not_ready(
    lacking: Sequence[Workload], seconds: float, place: ClusterPlace
) -> Iterator[Diagnostic]:
    """What is said of each that is not ready in time."""
    for item in lacking:
        why = f": {item.why}" if item.why else ""
        yield Diagnostic(
            "kubernetes.not-ready",
            f"`{item.name}` has {item.ready} of {item.wanted} ready after {seconds:.0f} s; "
            f"{item.state}{why}",
            hint=_hint(item, place),
        )


def _hint(item: Workload, place: ClusterPlace) -> str:
    match item.state:
        case "pending":
            return "`llmgen doctor` compares the nodes with the plan"
        case "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName":
            return "`[containers] image` and `image_pull_secrets` of [kubernetes] say from where"
        case "CrashLoopBackOff" | "loading" | "not ready":
            return f"`llmgen logs {item.name}` says what it does"
        case "CreateContainerConfigError":
            return "`llmgen doctor` says which entries the Secret has to have"
        case _:
            words = " ".join(place.words)
            return f"`kubectl {words} describe {item.kind.lower()} {item.name}` tells more"
