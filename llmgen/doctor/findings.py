"""What doctor says: what each rule found of a subject."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    """What a rule found; what could not be found out is unknown, never failed."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Finding(Struct, frozen=True):
    """One rule's answer about one subject; ``fix`` is the command or the change that mends it."""

    rule: str
    subject: str
    verdict: Verdict
    expected: str
    observed: str
    evidence: str = ""
    fix: str = ""


def judged(
    rule: str,
    subject: str,
    expected: str,
    observed: str,
    *,
    ok: bool,
    evidence: str = "",
    fix: str = "",
) -> Finding:
    """A finding that is ok or failed; a fix is only named where something failed."""
    verdict = Verdict.OK if ok else Verdict.FAILED
    return Finding(rule, subject, verdict, expected, observed, evidence, "" if ok else fix)


def unknown(rule: str, subject: str, expected: str, why: str) -> Finding:
    """A finding that nobody can make here."""
    return Finding(rule, subject, Verdict.UNKNOWN, expected, f"not found out: {why}")
