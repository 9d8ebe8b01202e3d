"""Look at a cluster for doctor: by kubectl, which changes nothing; secrets' values are not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from llmgen.doctor.cluster_observations import ClusterSeen, NodeSeen
from llmgen.doctor.rules.cluster import wanted_kinds, wanted_others
from llmgen.errors import InputError
from llmgen.operate.kubectl.objects import labels, part, rows
from llmgen.operate.kubectl.reach import Reach
from llmgen.targets.kubernetes import keys
from llmgen.targets.kubernetes.names import Object
from llmgen.targets.kubernetes.scene import ClusterScene

Value = TypeVar("Value")
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_ENTRIES = '{{range $key, $value := .data}}{{$key}}{{"\\n"}}{{end}}'


def look(reach: Reach, scene: ClusterScene, objects: Sequence[Object]) -> ClusterSeen:
    """Everything that the rules want to know and that this user may ask.

    InputError without kubectl, or where it does not know the context.
    """
    asked, context = _Asked(reach), reach.place.context
    server = asked.found("server", lambda: _server(reach))
    if server is None and not asked.is_let_in:
        return ClusterSeen(context, reached=asked.why["server"])
    return ClusterSeen(
        context,
        server=server,
        groups=asked.found("groups", lambda: tuple(_words(reach, "api-versions"))),
        kinds=_all_kinds(asked, reach, objects),
        classes=asked.found("classes", lambda: _classes(reach)),
        claims=_claims(asked, reach, scene),
        secrets=_secrets(asked, reach, scene),
        others=_others(asked, reach, scene),
        nodes=asked.found("nodes", lambda: tuple(_nodes(reach))),
        why=asked.why,
    )


class _Asked:
    """Answers, and why there are none; ``is_let_in`` unless the cluster itself is not reached."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.why: dict[str, str] = {}
        self.is_let_in = True

    def found(self, subject: str, ask: Callable[[], Value]) -> Value | None:
        """What is answered; None, and why, where it is not."""
        try:
            return ask()
        except InputError as error:
            first = error.diagnostics[0]
            if first.code in _MISTAKES:
                raise
            if first.code in _NOT_REACHED:
                self.is_let_in = False
            self.why[subject] = first.message
            return None

    def one(self, subject: str, name: str, ask: Callable[[], Value]) -> dict[str, Value]:
        """The answer under its name; nothing, and why, where there is none."""
        answers: list[Value] = []
        self.found(subject, lambda: answers.append(ask()))
        return {name: answers[0]} if answers else {}


_MISTAKES = ("kubernetes.no-context", "kubernetes.no-kubectl", "kubernetes.kubeconfig")
_NOT_REACHED = (
    "kubernetes.unreachable",
    "kubernetes.unauthorized",
    "kubernetes.no-answer",
    "kubernetes.garbage",
    "kubernetes.too-much",
)


def _server(reach: Reach) -> str:
    told = reach.parsed(reach.must(("get", "--raw=/version")).output)
    return str((told or {}).get("gitVersion", ""))


def _words(reach: Reach, *words: str) -> list[str]:
    return reach.must(words).output.split()


def _all_kinds(
    asked: _Asked, reach: Reach, objects: Sequence[Object]
) -> dict[str, tuple[str, ...] | None]:
    found: dict[str, tuple[str, ...] | None] = {}
    for api in wanted_kinds(objects):
        found |= asked.one(api, api, partial(_kinds, reach, api))
    return found


def _kinds(reach: Reach, api: str) -> tuple[str, ...] | None:
    """The kinds of a group and version; None where the server does not have it."""
    path = f"/apis/{api}" if "/" in api else f"/api/{api}"
    done = reach.run(("get", f"--raw={path}"))
    if not done.ok and ("NotFound" in done.errors or "could not find" in done.errors):
        return None
    if not done.ok:
        raise reach.error(done)
    found = (reach.parsed(done.output) or {}).get("resources")
    rows = found if isinstance(found, list) else []
    return tuple(str(item.get("kind")) for item in rows if isinstance(item, dict))


def _classes(reach: Reach) -> dict[str, bool]:
    return {
        item["metadata"]["name"]: part(item["metadata"], "annotations").get(_DEFAULT) == "true"
        for item in reach.listed(("get", "storageclasses"))
    }


def _claims(asked: _Asked, reach: Reach, scene: ClusterScene) -> dict[str, str | None]:
    name = scene.table.storage.claim
    if name is None:
        return {}

    def ask() -> str | None:
        words = ("get", "persistentvolumeclaims", name, "--ignore-not-found")
        found = reach.listed(words)
        return str(part(found[0], "status").get("phase", "")) if found else None

    return asked.one("claims", name, ask)


def _secrets(asked: _Asked, reach: Reach, scene: ClusterScene) -> dict[str, tuple[str, ...] | None]:
    names = [*scene.table.image_pull_secrets]
    if keys.wanted(scene):
        names.insert(0, scene.table.secret)
    found: dict[str, tuple[str, ...] | None] = {}
    for name in names:
        found |= asked.one("secrets", name, partial(_entries, reach, name))
    return found


def _entries(reach: Reach, name: str) -> tuple[str, ...] | None:
    """The names of a Secret's entries: kubectl prints nothing else of it."""
    words = ("get", "secret", name, f"--output=go-template={_ENTRIES}")
    done = reach.run(words)
    if not done.ok and "NotFound" in done.errors:
        return None
    if not done.ok:
        raise reach.error(done)
    return tuple(done.output.split())


def _others(asked: _Asked, reach: Reach, scene: ClusterScene) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for kind, name in wanted_others(scene):
        words = ("get", kind.lower(), name, "--ignore-not-found", "--output=name")
        found |= asked.one(kind, f"{kind} {name}", partial(_is_there, reach, words))
    return found


def _is_there(reach: Reach, words: Sequence[str]) -> bool:
    return bool(reach.must(words).output.strip())


def _nodes(reach: Reach) -> Iterator[NodeSeen]:
    for item in reach.listed(("get", "nodes")):
        spec, status = part(item, "spec"), part(item, "status")
        ready = any(
            one.get("type") == "Ready" and one.get("status") == "True"
            for one in rows(status.get("conditions"))
        )
        yield NodeSeen(
            item["metadata"]["name"],
            {key: str(value) for key, value in labels(item).items()},
            {key: str(value) for key, value in part(status, "allocatable").items()},
            tuple(
                (str(one.get("key", "")), str(one.get("value", "")), str(one.get("effect", "")))
                for one in rows(spec.get("taints"))
            ),
            is_ready=ready,
            is_cordoned=spec.get("unschedulable") is True,
        )
