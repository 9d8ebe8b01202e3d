"""llama-swap and the router by their own rules, written without looking at llmgen's planner.

Rules: who is loaded, what a request evicts, what an unload leaves. Matrix: among all sets that
contain the model, the one whose absentees cost least to evict, the first of equals; a running
model evicts nobody; a model of no set evicts everybody. Groups: a swapping group keeps one
member, an exclusive group's member evicts every other group that is not persistent. Router: when
``models_max`` are loaded, the least recently used one goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

TOKEN = re.compile(r"\s*([&|()]|\+?[A-Za-z0-9_.-]+)")


class Expressions:
    """Named expressions of the matrix language, and what they stand for."""

    def __init__(self, sets: Mapping[str, str], variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.trees = {name: self._parse(text) for name, text in sets.items()}
        self.order = self._ordered()

    def _parse(self, text: str):
        tokens = TOKEN.findall(text)
        assert "".join(tokens) == re.sub(r"\s", "", text), text
        tree, rest = self._either(tokens)
        assert not rest, text
        return tree

    def _either(self, tokens):
        branch, tokens = self._both(tokens)
        branches = [branch]
        while tokens[:1] == ["|"]:
            branch, tokens = self._both(tokens[1:])
            branches.append(branch)
        return ("|", branches), tokens

    def _both(self, tokens):
        part, tokens = self._atom(tokens)
        parts = [part]
        while tokens[:1] == ["&"]:
            part, tokens = self._atom(tokens[1:])
            parts.append(part)
        return ("&", parts), tokens

    def _atom(self, tokens):
        first, rest = tokens[0], tokens[1:]
        if first == "(":
            tree, rest = self._either(rest)
            assert rest[0] == ")"
            return tree, rest[1:]
        if first.startswith("+"):
            return ("+", first[1:]), rest
        return ("=", self.variables[first]), rest

    def _references(self, tree) -> Iterable[str]:
        kind, inside = tree
        if kind == "+":
            yield inside
        elif kind in "&|":
            for part in inside:
                yield from self._references(part)

    def _ordered(self) -> list[str]:
        """Referenced sets before those that use them, otherwise by name."""
        found: list[str] = []

        def visit(name: str) -> None:
            if name not in found:
                for other in self._references(self.trees[name]):
                    visit(other)
                if name not in found:
                    found.append(name)

        for name in sorted(self.trees):
            visit(name)
        return found

    def families(self) -> list[frozenset[str]]:
        """Every set written out, in order."""
        return [found for name in self.order for found in self._families(self.trees[name])]

    def _families(self, tree) -> list[frozenset[str]]:
        kind, inside = tree
        if kind == "=":
            return [frozenset([inside])]
        if kind == "+":
            return self._families(self.trees[inside])
        if kind == "|":
            return [found for part in inside for found in self._families(part)]
        found = [frozenset()]
        for part in inside:
            found = [one | two for one in found for two in self._families(part)]
        return found

    def projected(self, relevant: frozenset[str]) -> list[frozenset[str]]:
        """The largest parts of ``relevant`` that single sets contain; never written out in full."""
        known: dict[int, list[frozenset[str]]] = {}

        def project(tree) -> list[frozenset[str]]:
            if id(tree) in known:
                return known[id(tree)]
            kind, inside = tree
            if kind == "=":
                found = [relevant & {inside}]
            elif kind == "+":
                found = project(self.trees[inside])
            elif kind == "|":
                found = _largest([item for part in inside for item in project(part)])
            else:
                found = [frozenset()]
                for part in inside:
                    found = _largest([one | two for one in found for two in project(part)])
            known[id(tree)] = found
            return found

        return [item for name in self.order for item in project(self.trees[name])]


def _largest(found: list[frozenset[str]]) -> list[frozenset[str]]:
    unique = list(dict.fromkeys(found))
    return [item for item in unique if not any(item < other for other in unique)]


class MatrixSwap:
    """llama-swap with a matrix."""

    def __init__(self, sets, variables, costs=None) -> None:
        self.expressions = Expressions(sets, variables)
        self.costs = {variables.get(key, key): cost for key, cost in (costs or {}).items()}
        self.running: frozenset[str] = frozenset()

    def request(self, model: str) -> frozenset[str]:
        if model not in self.running:
            self.running = self.kept(model) | {model}
        return self.running

    def kept(self, model: str) -> frozenset[str]:
        best: tuple[int, frozenset[str]] | None = None
        for found in self.expressions.projected(self.running | {model}):
            cost = sum(self.costs.get(name, 1) for name in self.running - found)
            if model in found and (best is None or cost < best[0]):
                best = cost, found
        return self.running & best[1] if best else frozenset()

    def unload(self, model: str) -> None:
        self.running -= {model}


class GroupSwap:
    """llama-swap with groups; ``groups`` are (members, swap, exclusive, persistent)."""

    def __init__(self, groups) -> None:
        self.groups = list(groups)
        self.running: frozenset[str] = frozenset()

    def group(self, model: str):
        named = (item for item in self.groups if model in item[0])
        return next(named, ((), True, True, False))

    def request(self, model: str) -> frozenset[str]:
        mine = self.group(model)
        evicted = set()
        for other in self.running - {model}:
            theirs = self.group(other)
            if (theirs is mine or theirs[0] == mine[0]) and mine[1]:
                evicted.add(other)
            if theirs[0] != mine[0] and mine[2] and not theirs[3]:
                evicted.add(other)
        self.running = (self.running - evicted) | {model}
        return self.running

    def unload(self, model: str) -> None:
        self.running -= {model}


class RouterServer:
    """llama-server's router."""

    def __init__(self, models_max: int) -> None:
        self.models_max = models_max
        self.used: list[str] = []

    @property
    def running(self) -> frozenset[str]:
        return frozenset(self.used)

    def request(self, model: str) -> frozenset[str]:
        if model in self.used:
            self.used.remove(model)
        elif len(self.used) >= self.models_max:
            self.used.pop(0)
        self.used.append(model)
        return self.running

    def unload(self, model: str) -> None:
        if model in self.used:
            self.used.remove(model)
