"""What kubectl says when it fails, in llmgen's words: whose fault it is, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from llmgen.errors import Diagnostic
from llmgen.operate.kubectl.place import Place
from llmgen.operate.programs import Finished

# So many failures of objects are told one by one, each as long as this.
_MOST: Final = 8
_LONGEST: Final = 600
Told: TypeAlias = Callable[[str, Place], Diagnostic]

_UNREACHABLE: Final = re.compile(
    r"Unable to connect to the server|The connection to the server .* was refused|dial tcp"
    r"|i/o timeout|no such host|context deadline exceeded|TLS handshake timeout|x509:"
    r"|net/http: request canceled|connection reset by peer|ServiceUnavailable|EOF$"
)
_STRANGER: Final = re.compile(
    r"You must be logged in|Unauthorized|getting credentials|the server has asked for the client"
    r"|provide credentials"
)
_NO_CONTEXT: Final = re.compile(
    r'context "?[^"]*"? does not exist|context was not found for specified context'
)
_CONFIG: Final = re.compile(r"error loading config file|Error in configuration|invalid config")
_NO_KIND: Final = re.compile(
    r'no matches for kind "(?P<kind>[^"]+)" in version "(?P<version>[^"]+)"'
    r'|resource mapping not found for name: "(?P<name>[^"]*)"'
    r'|the server doesn\'t have a resource type "(?P<type>[^"]+)"'
)
_POD_SECURITY: Final = re.compile(r'violates? PodSecurity "(?P<level>[^"]*)": (?P<why>.*)')
_QUOTA: Final = re.compile(r"exceeded quota: (?P<why>.*)")
_FORBIDDEN: Final = re.compile(
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
_QUOTED: Final = re.compile(r"error when \w+ \"[^\"]*\":? ?")
# How it begins to tell of an object, and lines of its own log.
_BEGINS: Final = re.compile(
    r"Error from server|[Ee]rror: |Apply failed with |unable to recognize "
    r'|resource mapping not found|The [^ ]+ "[^"]*" is invalid|Error in configuration'
)
_LOGGED: Final = re.compile(r"[EWIF]\d{4} \d\d:|Warning: |WARNING: ")
_BLANK: Final = re.compile(
    r"^(?:Error from server \([^)]*\)|Error from server|error|Error in configuration): "
)


def failed(done: Finished, place: Place, subjects: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """Each failure once; ``subjects`` are the objects that failed, as far as they are known."""
    if done.code == 127:
        return (_no_program(),)
    if done.code == 126:
        return (_not_startable(done.errors),)
    said = [*_blocks(done.errors)] or [f"it ended with exit code {done.code}"]
    of_all = next((item for line in said if (item := _of_cluster(line, place))), None)
    of_all = of_all or _lists(said, place)
    if of_all is not None:
        return (of_all,)
    # What it could not make out at all comes first, whatever the order.
    is_ordered = len(subjects) == len(said) and not any(map(_NO_KIND.search, said))
    names = subjects if is_ordered else [""] * len(said)
    told = [_one(line, place, name) for line, name in zip(said, names, strict=True)]
    found = [*dict.fromkeys(told)]
    return (*found[:_MOST], *_rest(found[_MOST:], place))


def too_long(place: Place, seconds: float) -> Diagnostic:
    """It was ended since it did not end by itself."""
    return Diagnostic(
        "kubernetes.no-answer",
        f"`kubectl` did not answer within {seconds:.0f} s about `{place.context}`",
        hint=f"`kubectl --context={place.context} version` says whether the cluster answers",
    )


def too_much(place: Place, size: int) -> Diagnostic:
    """It was ended since it did not stop talking."""
    return Diagnostic(
        "kubernetes.too-much",
        f"`kubectl` said more than {size // (1 << 20)} MiB about `{place.context}`",
        hint="`type kubectl` says which program that is",
    )


def garbage(place: Place, said: str) -> Diagnostic:
    """What came is not what kubectl prints."""
    return Diagnostic(
        "kubernetes.garbage",
        f"`kubectl` gave no answer that can be read about `{place.context}`: {_short(said, 80)!r}",
        hint="`type kubectl` says which program that is",
    )


def warned(errors: str, place: Place) -> Iterator[Diagnostic]:
    """Warnings about Pod Security, with which the server takes a workload whose pods it refuses."""
    for line in errors.splitlines():
        if line.startswith("Warning: ") and _POD_SECURITY.search(line):
            yield _pod_security(line, place)


def _no_program() -> Diagnostic:
    return Diagnostic(
        "kubernetes.no-kubectl",
        "there is no `kubectl` on PATH",
        hint="install it (https://kubernetes.io/docs/tasks/tools), or let what applies the files "
        "of `llmgen generate` do it (Argo CD, Flux)",
    )


def _not_startable(why: str) -> Diagnostic:
    return Diagnostic(
        "kubernetes.no-kubectl",
        f"`kubectl` cannot be started: {why}",
        hint="`type kubectl` says which program that is",
    )


def _blocks(errors: str) -> Iterator[str]:
    """What it says of each object: a line, and those that go on with it."""
    block: list[str] = []
    for line in errors.splitlines():
        if not line.strip() or _LOGGED.match(line):
            continue
        if block and _BEGINS.match(line):
            yield "\n".join(block)
            block = []
        block.append(line)
    if block:
        yield "\n".join(block)


def _of_cluster(said: str, place: Place) -> Diagnostic | None:
    """What is wrong with reaching the cluster at all."""
    context = place.context
    if _NO_CONTEXT.search(said):
        return Diagnostic(
            "kubernetes.no-context",
            f"kubectl knows no context `{context}`",
            place.key,
            hint="`kubectl config get-contexts` lists those that it knows",
        )
    if _CONFIG.search(said):
        return Diagnostic(
            "kubernetes.kubeconfig",
            f"kubectl cannot read its configuration: {_short(_bare(said))}",
            hint="put that right, or let $KUBECONFIG name another file",
        )
    if _STRANGER.search(said):
        return Diagnostic(
            "kubernetes.unauthorized",
            f"`{context}` does not let this user in: {_short(_bare(said))}",
            hint=f"log in again, then `kubectl --context={context} auth whoami`",
        )
    if _UNREACHABLE.search(said):
        return Diagnostic(
            "kubernetes.unreachable",
            f"`{context}` cannot be reached: {_short(_bare(said))}",
            hint=f"`kubectl --context={context} version` says whether the cluster answers",
        )
    return None


def _one(said: str, place: Place, subject: str) -> Diagnostic:
    """What is wrong with one object; the first pattern that is found says it."""
    named = subject or _subject(said)
    if _POD_SECURITY.search(said):
        return _pod_security(said, place, named)
    if found := _CONFLICT.search(said):
        return Diagnostic(
            "kubernetes.conflict",
            f"{_of(named)}`{found['who']}` has set fields that llmgen sets, too: "
            f"{_short(_fields(said[found.start('why') :]))}",
            hint="let one of them set them; `--force-conflicts` takes them over for llmgen",
        )
    if found := _QUOTA.search(said):
        return Diagnostic(
            "kubernetes.quota",
            f"{_of(named)}`{place.namespace}` has a quota that is exceeded: {_short(found['why'])}",
            hint="raise the ResourceQuota, or let fewer models run",
        )
    if found := _FORBIDDEN.search(_flat(said)):
        return _forbidden(found, place, [found["what"]], named)
    if found := _NO_KIND.search(said):
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
        return Diagnostic(
            "kubernetes.immutable",
            f"{_of(named)}the server lets nobody change that of an object: {_short(_bare(said))}",
            hint="delete this object (`kubectl delete`), then run the same command again",
        )
    return Diagnostic(
        "kubernetes.refused",
        f"{_of(named)}the server says no: {_short(_bare(said))}",
        hint="put that right and run the same command again",
    )


def _forbidden(
    found: re.Match[str], place: Place, whats: Sequence[str], named: str = ""
) -> Diagnostic:
    where = f"the cluster `{place.context}`" if found["whole"] else f"`{place.namespace}`"
    words = " ".join(place.words)
    return Diagnostic(
        "kubernetes.forbidden",
        f"{_of(named)}`{found['user']}` may not {found['verb']} {', '.join(whats)} in {where}",
        hint="whoever runs the cluster can grant it; "
        f"`kubectl {words} auth can-i {found['verb']} {whats[0]}` tells",
    )


def _lists(said: Sequence[str], place: Place) -> Diagnostic | None:
    """One for all kinds of which this user may have no list; None where that is not all."""
    found = [_FORBIDDEN.search(_flat(line)) for line in said]
    first = found[0]
    if first is None or any(
        one is None or one["verb"] != "list" or one["whole"] != first["whole"] for one in found
    ):
        return None
    return _forbidden(first, place, [*dict.fromkeys(one["what"] for one in found if one)])


def _no_kind(said: str) -> Diagnostic:
    kind = re.search(r'kind "([^"]+)" in version "([^"]+)"', said)
    what = f"{kind[1]} of {kind[2]}" if kind else _short(_bare(said))
    return Diagnostic(
        "kubernetes.no-kind",
        f"the cluster has no {what}",
        hint="`llmgen doctor` says what has to be installed there, in which version",
    )


def _pod_security(said: str, place: Place, named: str = "") -> Diagnostic:
    found = _POD_SECURITY.search(said)
    level, why = (found["level"], found["why"]) if found else ("", said)
    return Diagnostic(
        "kubernetes.pod-security",
        f"{_of(named)}Pod Security `{level}` of `{place.namespace}` lets no such pod in: "
        f"{_short(why)}",
        hint="what a device plugin or an engine needs beyond it goes into a namespace with another "
        "label `pod-security.kubernetes.io/enforce`",
    )


def _rest(found: Sequence[Diagnostic], place: Place) -> Iterator[Diagnostic]:
    if found:
        yield Diagnostic(
            "kubernetes.refused",
            f"{len(found)} more objects are refused by `{place.context}`",
            hint="the same is wrong with most of them: put the first right",
        )


def _subject(said: str) -> str:
    text = _QUOTED.sub("", _BLANK.sub("", said))
    found = _OBJECT.match(text)
    return found["what"].replace('"', "") if found else ""


def _of(named: str) -> str:
    return f"`{named}`: " if named else ""


def _fields(said: str) -> str:
    """Those fields, without kubectl's advice."""
    told = said.partition("Please review")[0].partition(" using ")[2].partition(":")[2]
    return ", ".join(line.strip("- ") for line in told.splitlines() if line.strip("- "))


def _bare(said: str) -> str:
    return _flat(_QUOTED.sub("", _BLANK.sub("", said)))


def _flat(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _short(text: str, most: int = _LONGEST) -> str:
    flat = _flat(text)
    return flat if len(flat) <= most else f"{flat[:most]} …"
