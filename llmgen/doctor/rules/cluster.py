"""A cluster: its version, what is installed there, storage, and secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from llmgen.doctor.cluster_observations import ClusterSeen
from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.rules.cluster_nodes import nodes, taints
from llmgen.targets.kubernetes import keys
from llmgen.targets.kubernetes.names import Object
from llmgen.targets.kubernetes.scene import ClusterScene

_MINOR: Final = re.compile(r"v?(\d+)\.(\d+)")
ClusterRule = Callable[[ClusterScene, Sequence[Object], ClusterSeen], Iterator[Finding]]


def reached(scene: ClusterScene, objects: Sequence[Object], seen: ClusterSeen) -> Iterator[Finding]:
    """The cluster answers."""
    del scene, objects
    observed = seen.reached or "it answers"
    yield judged(
        "cluster-reached",
        seen.context,
        "a cluster that answers",
        observed,
        ok=not seen.reached,
        fix=f"`kubectl --context={seen.context} version` says whether it answers",
    )


def version(scene: ClusterScene, objects: Sequence[Object], seen: ClusterSeen) -> Iterator[Finding]:
    """The server knows every field that is written for [kubernetes] version."""
    del objects
    wanted = scene.table.version
    expected = f"{wanted} or later"
    found = _MINOR.match(seen.server or "")
    told = _MINOR.match(wanted)
    if found is None or told is None:
        yield unknown("cluster-version", "API server", expected, seen.reason("server"))
        return
    is_new = (int(found[1]), int(found[2])) >= (int(told[1]), int(told[2]))
    yield judged(
        "cluster-version",
        "API server",
        expected,
        str(seen.server),
        ok=is_new,
        fix=f'`version = "{found[1]}.{found[2]}"` in [kubernetes]',
    )


def resources(
    scene: ClusterScene, objects: Sequence[Object], seen: ClusterSeen
) -> Iterator[Finding]:
    """The server has every kind that is written, in that version."""
    del scene
    for api, kinds in wanted_kinds(objects).items():
        expected = f"{', '.join(kinds)} of {api}"
        if api not in seen.kinds:
            yield unknown("cluster-resources", api, expected, seen.reason(api))
            continue
        there = seen.kinds[api]
        missing = [kind for kind in kinds if kind not in (there or ())]
        yield judged(
            "cluster-resources",
            api,
            expected,
            _there(api, missing, seen) if missing else "they are there",
            ok=not missing,
            fix=f"install what brings {api} (`kubectl get crds` lists what there is)",
        )


def wanted_kinds(objects: Sequence[Object]) -> dict[str, list[str]]:
    """The kinds of the objects by group and version."""
    found: dict[str, dict[str, None]] = {}
    for item in objects:
        found.setdefault(item["apiVersion"], {})[item["kind"]] = None
    return {api: sorted(kinds) for api, kinds in sorted(found.items())}


def _there(api: str, missing: Sequence[str], seen: ClusterSeen) -> str:
    if seen.kinds[api] is not None:
        return f"no {', '.join(missing)} in it"
    group = api.rpartition("/")[0]
    others = [name for name in seen.groups or () if name.rpartition("/")[0] == group]
    return f"it is not there; there is {', '.join(others)}" if others else "it is not there"


def storage(scene: ClusterScene, objects: Sequence[Object], seen: ClusterSeen) -> Iterator[Finding]:
    """The claim for the model files is there, or something makes its volume."""
    table = scene.table.storage
    if table.claim is not None:
        expected = "a claim that is bound"
        if table.claim not in seen.claims:
            yield unknown("cluster-storage", table.claim, expected, seen.reason("claims"))
            return
        phase = seen.claims[table.claim]
        yield judged(
            "cluster-storage",
            table.claim,
            expected,
            phase or "it is not there",
            ok=phase == "Bound",
            fix="make it, or leave `claim` out of [kubernetes.storage]: then llmgen does",
        )
        return
    if not any(item["kind"] == "PersistentVolumeClaim" for item in objects):
        return
    expected = "a storage class that makes volumes"
    subject = table.storage_class or "the default one"
    if seen.classes is None:
        yield unknown("cluster-storage", subject, expected, seen.reason("classes"))
        return
    named = table.storage_class
    ok = named in seen.classes if named is not None else any(seen.classes.values())
    there = ", ".join(sorted(seen.classes)) or "none"
    yield judged(
        "cluster-storage",
        subject,
        expected,
        "it is there" if ok else f"there is {there}",
        ok=ok,
        fix="`storage_class` in [kubernetes.storage] names one that is there",
    )


def secret(scene: ClusterScene, objects: Sequence[Object], seen: ClusterSeen) -> Iterator[Finding]:
    """The Secrets that pods read are there, with their entries."""
    del objects
    table = scene.table
    entries = keys.wanted(scene)
    if entries:
        yield _secret(table.secret, entries, seen)
    for name in table.image_pull_secrets:
        yield _secret(name, (), seen)


def _secret(name: str, entries: Sequence[str], seen: ClusterSeen) -> Finding:
    expected = f"a Secret with {', '.join(entries)}" if entries else "a Secret"
    if name not in seen.secrets:
        return unknown("cluster-secret", name, expected, seen.reason("secrets"))
    there = seen.secrets[name]
    missing = [entry for entry in entries if entry not in (there or ())]
    observed = f"without {', '.join(missing)}" if missing else "it is there"
    return judged(
        "cluster-secret",
        name,
        expected,
        "it is not there" if there is None else observed,
        ok=there is not None and not missing,
        fix=_made(name, missing, is_there=there is not None),
    )


def _made(name: str, missing: Sequence[str], *, is_there: bool) -> str:
    """How a Secret gets what it has to have; without entries it is one for a registry."""
    if is_there:
        return f"`kubectl edit secret {name}` adds them to `data`, in base64"
    if not missing:
        return f"`kubectl create secret docker-registry {name}`"
    words = " ".join(f"--from-file={entry}" for entry in missing)
    return f"`kubectl create secret generic {name} {words}`, from files with these names"


def classes(scene: ClusterScene, objects: Sequence[Object], seen: ClusterSeen) -> Iterator[Finding]:
    """What objects name of the whole cluster is there: a GatewayClass, a DeviceClass, a store."""
    del objects
    for kind, name in wanted_others(scene):
        subject = f"{kind} {name}"
        if subject not in seen.others:
            yield unknown("cluster-class", subject, "it is there", seen.reason(kind))
            continue
        ok = seen.others[subject]
        yield judged(
            "cluster-class",
            subject,
            "it is there",
            "it is there" if ok else "it is not",
            ok=ok,
            fix=f"`kubectl get {kind.lower()}` lists those that there are",
        )


def wanted_others(scene: ClusterScene) -> Iterator[tuple[str, str]]:
    """Kind and name of what belongs to the whole cluster and is not llmgen's."""
    table = scene.table
    if table.gateway != "none":
        yield "GatewayClass", table.gateway_class
    if table.external_secrets is not None:
        yield "ClusterSecretStore", table.external_secrets
    for name in dict.fromkeys(item.table.device_class for item in scene.cluster.pools.values()):
        if name is not None:
            yield "DeviceClass", name


RULES: Final[tuple[ClusterRule, ...]] = (
    reached,
    version,
    resources,
    storage,
    secret,
    classes,
    nodes,
    taints,
)


def diagnose(scene: ClusterScene, objects: Sequence[Object], seen: ClusterSeen) -> list[Finding]:
    """Every rule's findings, in the order of the rules."""
    return [finding for rule in RULES for finding in rule(scene, objects, seen)]
