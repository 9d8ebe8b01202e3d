"""What router mode cannot promise: it knows a number of models, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from llmgen.errors import Diagnostic
from llmgen.library import Keep, Library
from llmgen.plan.plan import Router
from llmgen.plan.requirements import ROUTER_KEY, RequirementKey
from llmgen.plan.rewrite import Edit
from llmgen.plan.stack import Stack
from llmgen.plan.words import NO_WAY, listed
from llmgen.units import show_size

SWAP: tuple[Edit, ...] = ((("services", "on_demand"), '"llama_swap"'),)


class RouterLimit(Struct, frozen=True):
    """A wish that the router does not hear, and edits that may help, the nearest first."""

    finding: Diagnostic
    ways: tuple[tuple[Edit, ...], ...]

    @property
    def identity(self) -> RequirementKey:
        """What stays the same when sizes change; its key is no key of a sum."""
        return (self.finding.code, *self.finding.key), "", ()


def router_limits(
    library: Library, stack: Stack, router: Router | None, preload: frozenset[str]
) -> Iterator[RouterLimit]:
    """Every such wish."""
    if router is None:
        return
    count = router.models_max
    yield from _pins(library)
    if len(preload) > count:
        later = stack.ordered(preload)[count:]
        finding = Diagnostic(
            "plan.router-preload",
            f"{len(preload)} models are loaded at start-up, but the router keeps {count}",
            ROUTER_KEY,
            hint=NO_WAY,
        )
        yield RouterLimit(
            finding, (tuple((("models", name, "preload"), "false") for name in later),)
        )
    for index, group in enumerate(stack.together):
        if len(group) > count:
            finding = Diagnostic(
                "plan.router-too-few",
                f"{listed(stack.ordered(group))} are wanted together, but the router keeps {count}",
                ("plan", "together", index),
                hint=NO_WAY,
            )
            yield RouterLimit(finding, (((ROUTER_KEY, str(len(group))),), SWAP))
    for index, group in enumerate(stack.never):
        met = stack.ordered(group)
        if len(met) > 1 and count > 1:
            finding = Diagnostic(
                "plan.router-any",
                f"{listed(met)} must never meet, but the router keeps any {count}",
                ("plan", "never_together", index),
                hint=NO_WAY,
            )
            yield RouterLimit(finding, (((ROUTER_KEY, "1"),), SWAP))


def _pins(library: Library) -> Iterator[RouterLimit]:
    """The router evicts whatever was used last; a server of its own is never evicted."""
    pinned = [item.name for item in library.models if item.pin and item.keep is Keep.ON_DEMAND]
    alone = tuple(
        edit
        for name in pinned
        for edit in ((("models", name, "keep"), '"always"'), (("models", name, "pin"), "false"))
    )
    if pinned:
        verb = "are" if len(pinned) > 1 else "is"
        finding = Diagnostic(
            "models.router-pins-nothing",
            f"{listed(tuple(pinned))} {verb} pinned, which router mode cannot do",
            ("models", pinned[0], "pin"),
            hint=NO_WAY,
        )
        yield RouterLimit(finding, (alone, SWAP))


def alone_words(after: Stack, edits: Iterable[Edit]) -> Iterator[str]:
    """What each model that got a server of its own takes for good."""
    for key, text in edits:
        if key[-1] == "keep" and text == '"always"':
            sizes = after.always[str(key[1])]
            used = [f"{show_size(size)} of {pool}" for pool, size in sizes.items() if size]
            yield f"`{key[1]}` has a server of its own that always takes {' and '.join(used)}"
