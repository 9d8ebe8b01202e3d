"""What the server refuses of one object, in llmgen's words: the first pattern that is found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from llmgen.errors import Diagnostic
from llmgen.operate.kubectl.place import ClusterPlace
from llmgen.operate.kubectl.wording import bare, flat, short, unquoted

NO_KIND: Final = re.compile(
    r'no matches for kind "(?P<kind>[^"]+)" in version "(?P<version>[^"]+)"'
    r'|resource mapping not found for name: "(?P<name>[^"]*)"'
    r'|the server doesn\'t have a resource type "(?P<type>[^"]+)"'
)
POD_SECURITY: Final = re.compile(r'violates? PodSecurity "(?P<level>[^"]*)": (?P<why>.*)')
_QUOTA: Final = re.compile(r"exceeded quota: (?P<why>.*)")
FORBIDDEN: Final = re.compile(
    r"[Uu]ser \"(?P<user>[^\"]+)\" cannot (?P<verb>\w+) resource \"(?P<what>[^\"]+)\""
    r".*?(?P<whole>at the cluster scope)?$"
)
_CONFLICT: Final = re.compile(
    r'Apply failed with \d+ conflicts?: (?P<why>conflicts? with "(?P<who>[^"]+)".*)'
)
_IMMUTABLE: Final = re.compile(r"field is immutable|Forbidden: updates to .* are forbidden")
_UNKNOWN: Final = re.compile(r'unknown field "(?P<field>[^"]+)"')
_NO_NAMESPACE: Final = re.compile(r'namespaces "(?P<name>[^"]+)" not found')
_OBJECT: Final = re.compile(r'(?P<what>[a-z0-9.]+ "[^"]+")')


def refusal(said: str, place: ClusterPlace, subject: str) -> Diagnostic:
    """What is wrong with one object; the first pattern that is found says it."""
    named = subject or _subject(said)
    if POD_SECURITY.search(said):
        return pod_security(said, place, named)
    if found := _CONFLICT.search(said):
        return Diagnostic(
            "kubernetes.conflict",
            f"{_of(named)}`{found['who']}` has set fields that llmgen sets, too: "
            f"{short(_fields(said[found.start('why') :]))}",
            hint="let one of them set them; `--force-conflicts` takes them over for llmgen",
        )
    if found := _QUOTA.search(said):
        return Diagnostic(
            "kubernetes.quota",
            f"{_of(named)}`{place.namespace}` has a quota that is exceeded: {short(found['why'])}",
            hint="raise the ResourceQuota, or let fewer models run",
        )
    if found := FORBIDDEN.search(flat(said)):
        return forbidden(found, place, [found["what"]], named)
    if found := NO_KIND.search(said):
        return _no_kind(said)
    if found := _UNKNOWN.search(said):
        return Diagnostic(
            "kubernetes.unknown-field",
            f"{_of(named)}the server knows no field `{found['field']}`",
            hint="`[kubernetes] version` has to be that of the server; `llmgen doctor` compares "
            "them, and the versions of custom resources",
        )
    if _NO_NAMESPACE.search(said):
        return Diagnostic(
            "kubernetes.no-namespace",
            f"there is no namespace `{place.namespace}` in `{place.context}`",
            hint="`llmgen install` makes it",
        )
    if _IMMUTABLE.search(said):
        words = " ".join(place.words)
        return Diagnostic(
            "kubernetes.immutable",
            f"{_of(named)}the server lets nobody change that of an object: {short(bare(said))}",
            hint=f"`kubectl {words} delete` this object, then the same command again",
        )
    return Diagnostic(
        "kubernetes.refused",
        f"{_of(named)}the server says no: {short(bare(said))}",
        hint="put that right and run the same command again",
    )


def forbidden(
    found: re.Match[str], place: ClusterPlace, whats: Sequence[str], named: str = ""
) -> Diagnostic:
    """What this user may not do, with kinds of objects."""
    where = f"the cluster `{place.context}`" if found["whole"] else f"`{place.namespace}`"
    words = " ".join(place.words)
    return Diagnostic(
        "kubernetes.forbidden",
        f"{_of(named)}`{found['user']}` may not {found['verb']} {', '.join(whats)} in {where}",
        hint="whoever runs the cluster can grant it; "
        f"`kubectl {words} auth can-i {found['verb']} {whats[0]}` tells",
    )


def _no_kind(said: str) -> Diagnostic:
    kind = re.search(r'kind "([^"]+)" in version "([^"]+)"', said)
    what = f"{kind[1]} of {kind[2]}" if kind else short(bare(said))
    return Diagnostic(
        "kubernetes.no-kind",
        f"the cluster has no {what}",
        hint="`llmgen doctor` says what has to be installed there, in which version",
    )


def pod_security(said: str, place: ClusterPlace, named: str = "") -> Diagnostic:
    """Pods that the namespace does not let in."""
    found = POD_SECURITY.search(said)
    level, why = (found["level"], found["why"]) if found else ("", said)
    return Diagnostic(
        "kubernetes.pod-security",
        f"{_of(named)}Pod Security `{level}` of `{place.namespace}` lets no such pod in: "
        f"{short(why)}",
        hint="what a device plugin or an engine needs beyond it goes into a namespace with another "
        "label `pod-security.kubernetes.io/enforce`",
    )


def _subject(said: str) -> str:
    text = unquoted(said)
    found = _OBJECT.match(text)
    return found["what"].replace('"', "") if found else ""


def _of(named: str) -> str:
    return f"`{named}`: " if named else ""


def _fields(said: str) -> str:
    """Those fields, without kubectl's advice."""
    told = said.partition("Please review")[0].partition(" using ")[2].partition(":")[2]
    return ", ".join(line.strip("- ") for line in told.splitlines() if line.strip("- "))
