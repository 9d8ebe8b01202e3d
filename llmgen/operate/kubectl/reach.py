"""A cluster that answers: questions by kubectl, failures as diagnostics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llmgen.errors import InputError
from llmgen.operate.kubectl import failures
from llmgen.operate.kubectl.objects import is_object
from llmgen.operate.kubectl.place import ClusterPlace, unknown
from llmgen.operate.kubectl.program import (
    KubectlBounds,
    KubectlOverflow,
    KubectlTimeout,
    follow,
    run,
)
from llmgen.operate.programs import ProgramResult

PROGRAM = "kubectl"
# A single request of kubectl's; a large stack is thousands of them.
_REQUEST_SECONDS = 30
_USUAL = KubectlBounds()


class Reach:
    """A cluster's namespace through kubectl; every call names context and namespace."""

    def __init__(self, place: ClusterPlace) -> None:
        """Know the place; nobody is asked yet."""
        self.place = place

    def run(
        self, words: Sequence[str], *, given: str | None = None, bounds: KubectlBounds = _USUAL
    ) -> ProgramResult:
        """Run it to its end, whatever that is; InputError past the bounds or without kubectl."""
        told = (PROGRAM, *self.place.words, f"--request-timeout={_REQUEST_SECONDS}s", *words)
        try:
            done = run(told, given=given, bounds=bounds)
        except KubectlTimeout:
            raise InputError(failures.too_long(self.place, bounds.seconds)) from None
        except KubectlOverflow:
            raise InputError(failures.too_much(self.place, bounds.size_bytes)) from None
        if done.code in (126, 127):
            raise InputError(failures.failed(done, self.place))
        return done

    def must(
        self, words: Sequence[str], *, given: str | None = None, bounds: KubectlBounds = _USUAL
    ) -> ProgramResult:
        """The same; InputError where it fails."""
        done = self.run(words, given=given, bounds=bounds)
        if not done.ok:
            raise self.error(done)
        return done

    def value(
        self, words: Sequence[str], *, given: str | None = None, bounds: KubectlBounds = _USUAL
    ) -> Any:  # noqa: ANN401 - any JSON
        """What it prints as JSON; None for nothing."""
        return self.parsed(self.must((*words, "--output=json"), given=given, bounds=bounds).output)

    def parsed(self, text: str) -> Any:  # noqa: ANN401 - any JSON
        """The text as a mapping; None for nothing, InputError for garbage."""
        if not text.strip():
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError(failures.garbage(self.place, text)) from None
        if not isinstance(found, dict):
            raise InputError(failures.garbage(self.place, text))
        return found

    def listed(self, words: Sequence[str], *, given: str | None = None) -> list[dict[str, Any]]:
        """Objects of a list, or the one that came alone."""
        return self.objects(self.value(words, given=given))

    def objects(self, found: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
        """The objects of what kubectl printed; InputError for what are none."""
        if found is None:
            return []
        items = found.get("items") if str(found.get("kind", "")).endswith("List") else [found]
        if not isinstance(items, list) or not all(map(is_object, items)):
            raise InputError(failures.garbage(self.place, json.dumps(found)))
        return items

    def error(self, done: ProgramResult, subjects: Sequence[str] = ()) -> InputError:
        """What a failed call means."""
        told = failures.failed(done, self.place, subjects)
        if told[0].code == "kubernetes.no-context":
            return InputError(unknown(self.place, contexts()))
        return InputError(told)

    def follow(self, words: Sequence[str]) -> int:
        """Run it in this terminal until it ends or ^C; its exit code.

        InputError without kubectl, or where it does not know the context.
        """
        known = contexts()
        if self.place.context not in known:
            raise InputError(unknown(self.place, known))
        return follow((PROGRAM, *self.place.words, *words))


def contexts() -> list[str]:
    """The names of all contexts that kubectl knows; InputError where there is no kubectl."""
    nowhere = ClusterPlace("", "")
    try:
        done = run(
            (PROGRAM, "config", "get-contexts", "--output=name"), bounds=KubectlBounds(15, 1 << 20)
        )
    except (KubectlTimeout, KubectlOverflow):
        return []
    if done.code in (126, 127):
        raise InputError(failures.failed(done, nowhere))
    return sorted(line.strip() for line in done.output.splitlines() if line.strip())
