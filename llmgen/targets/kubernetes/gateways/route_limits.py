"""Routes have so many rules and matches at most: as many in each as it takes, each with a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from llmgen.targets.kubernetes.gateways.front import NAME
from llmgen.targets.kubernetes.names import Object

Rules: TypeAlias = list[Object]


def routes_of(groups: Iterable[Rules], *, rules: int, matches: int) -> Iterator[tuple[str, Rules]]:
    """(name, rules) of each route; the rules of a group stay together."""
    for number, mine in enumerate(_packed(groups, rules, matches), 1):
        yield NAME if number == 1 else f"{NAME}-{number}", mine


def _packed(groups: Iterable[Rules], most_rules: int, most_matches: int) -> Iterator[Rules]:
    rules: Rules = []
    matches = 0
    for group in groups:
        more = sum(len(rule["matches"]) for rule in group)
        if rules and (len(rules) + len(group) > most_rules or matches + more > most_matches):
            yield rules
            rules, matches = [], 0
        rules, matches = [*rules, *group], matches + more
    if rules:
        yield rules
