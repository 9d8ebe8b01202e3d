"""What kubectl says when it fails, in llmgen's words: whose fault it is, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from llmgen.errors import Diagnostic
from llmgen.operate.kubectl.place import ClusterPlace
from llmgen.operate.kubectl.refusals import (
    FORBIDDEN,
    NO_KIND,
    POD_SECURITY,
    forbidden,
    pod_security,
    refusal,
)
from llmgen.operate.kubectl.wording import bare, blocks, flat, short
from llmgen.operate.programs import ProgramResult

# So many failures of objects are told one by one.
_MOST: Final = 8
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


def failed(
    done: ProgramResult, place: ClusterPlace, subjects: Sequence[str] = ()
) -> tuple[Diagnostic, ...]:
    """Each failure once; ``subjects`` are the objects that failed, as far as they are known."""
    if done.code == 127:
        return (_no_program(),)
    if done.code == 126:
        return (_not_startable(done.errors),)
    said = [*blocks(done.errors)] or [f"it ended with exit code {done.code}"]
    of_all = next((item for line in said if (item := _of_cluster(line, place))), None)
    of_all = of_all or _lists(said, place)
    if of_all is not None:
        return (of_all,)
    # What it could not make out at all comes first, whatever the order.
    is_ordered = len(subjects) == len(said) and not any(map(NO_KIND.search, said))
    names = subjects if is_ordered else [""] * len(said)
    told = [refusal(line, place, name) for line, name in zip(said, names, strict=True)]
    found = [*dict.fromkeys(told)]
    return (*found[:_MOST], *_rest(found[_MOST:], place))


def too_long(place: ClusterPlace, seconds: float) -> Diagnostic:
    """It was ended since it did not end by itself."""
    return Diagnostic(
        "kubernetes.no-answer",
        f"`kubectl` did not answer within {seconds:.0f} s about `{place.context}`",
        hint=f"`kubectl --context={place.context} version` says whether the cluster answers",
    )


def too_much(place: ClusterPlace, size: int) -> Diagnostic:
    """It was ended since it did not stop talking."""
    return Diagnostic(
        "kubernetes.too-much",
        f"`kubectl` said more than {size // (1 << 20)} MiB about `{place.context}`",
        hint="`type kubectl` says which program that is",
    )


def garbage(place: ClusterPlace, said: str) -> Diagnostic:
    """What came is not what kubectl prints."""
    return Diagnostic(
        "kubernetes.garbage",
        f"`kubectl` gave no answer that can be read about `{place.context}`: {short(said, 80)!r}",
        hint="`type kubectl` says which program that is",
    )


def warned(errors: str, place: ClusterPlace) -> Iterator[Diagnostic]:
    """Warnings about Pod Security, with which the server takes a workload whose pods it refuses."""
    for line in errors.splitlines():
        if line.startswith("Warning: ") and POD_SECURITY.search(line):
            yield pod_security(line, place)


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


def _of_cluster(said: str, place: ClusterPlace) -> Diagnostic | None:
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
            f"kubectl cannot read its configuration: {short(bare(said))}",
            hint="put that right, or let $KUBECONFIG name another file",
        )
    if _STRANGER.search(said):
        return Diagnostic(
            "kubernetes.unauthorized",
            f"`{context}` does not let this user in: {short(bare(said))}",
            hint=f"log in again, then `kubectl --context={context} auth whoami`",
        )
    if _UNREACHABLE.search(said):
        return Diagnostic(
            "kubernetes.unreachable",
            f"`{context}` cannot be reached: {short(bare(said))}",
            hint=f"`kubectl --context={context} version` says whether the cluster answers",
        )
    return None


def _lists(said: Sequence[str], place: ClusterPlace) -> Diagnostic | None:
    """One for all kinds of which this user may have no list; None where that is not all."""
    found = [FORBIDDEN.search(flat(line)) for line in said]
    first = found[0]
    if first is None or any(
        one is None or one["verb"] != "list" or one["whole"] != first["whole"] for one in found
    ):
        return None
    return forbidden(first, place, [*dict.fromkeys(one["what"] for one in found if one)])


def _rest(found: Sequence[Diagnostic], place: ClusterPlace) -> Iterator[Diagnostic]:
    if found:
        yield Diagnostic(
            "kubernetes.refused",
            f"{len(found)} more objects are refused by `{place.context}`",
            hint="the same is wrong with most of them: put the first right",
        )
