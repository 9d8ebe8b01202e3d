"""Pools drawn at random, and a scheduler with controllers of which every course is looked at."""

from __future__ import annotations

import random
from itertools import product

from llmgen.cluster.nodes import Amount, Nodes, Pod


class TooMany(Exception):
    """More courses than are looked at."""


def drawn(seed, nodes=4, most=6, priorities=True):
    """A pool of at most so many nodes, and at most so many pods."""
    luck = random.Random(seed)
    top = luck.choice((2, 4, 8))
    whole = Amount(luck.randint(0, top), luck.randint(1, top), luck.randint(1, 2 * top))
    several = priorities and luck.random() < 0.5
    pods, left, slack = [], luck.randint(1, most), luck.randint(0, 1) * (luck.random() < 0.3)
    share = luck.choice((1, 1, 2))
    while left:
        copies = luck.randint(1, min(left, 3))
        left -= copies
        request = Amount(
            *(
                luck.randint(0, max(0, one // share) + slack) if luck.random() < 0.8 else 0
                for one in (whole.devices, whole.memory_bytes, whole.cpu_millis)
            )
        )
        pods.append(
            Pod(
                f"p{len(pods)}",
                request,
                copies,
                luck.choice((0, 1, 1, 2)),
                luck.randint(0, 2) if several else 0,
            )
        )
        if len(pods) > 1 and luck.random() < 0.15:  # alike
            pods[-1] = Pod(
                pods[-1].name, pods[-2].request, copies, pods[-2].surge, pods[-2].priority
            )
    places = luck.choice((110, 110, luck.randint(1, 3)))
    return Nodes("pool", luck.randint(1, nodes), whole, places), pods


def size(pod):
    return (pod.request.devices, pod.request.memory_bytes, pod.request.cpu_millis, 1)


class Scheduler:
    """States are nodes, each with how many pods of each controller it has, in sorted order."""

    def __init__(self, nodes, pods, count=None):
        self.pods = pods
        self.sizes = [size(pod) for pod in pods]
        self.count = nodes.count if count is None else count
        one = nodes.allocatable
        self.whole = (one.devices, one.memory_bytes, one.cpu_millis, nodes.most_pods)
        self.empty = tuple((0,) * len(pods) for _ in range(self.count))

    def fits(self, node):
        return all(
            sum(count * size[at] for count, size in zip(node, self.sizes, strict=True)) <= whole
            for at, whole in enumerate(self.whole)
        )

    def waiting(self, state, copies=None):
        copies = copies or [pod.copies for pod in self.pods]
        return tuple(want - sum(node[at] for node in state) for at, want in enumerate(copies))

    def seated(self, state, at):
        """Every state after a pod was tried: on a node with room, else in place of lower ones."""
        found = set()
        for number, node in enumerate(state):
            if self.fits(added(node, at)):
                found.add(changed(state, number, added(node, at)))
        if found:
            return found
        priority = self.pods[at].priority
        for number, node in enumerate(state):
            kept = [
                count if pod.priority >= priority else 0
                for pod, count in zip(self.pods, node, strict=True)
            ]
            kept[at] += 1
            if not self.fits(kept):
                continue
            # Those of higher priority are let stay first.
            for other in sorted(range(len(node)), key=lambda place: -self.pods[place].priority):
                if self.pods[other].priority < priority:
                    while kept[other] < node[other] and self.fits(added(kept, other)):
                        kept[other] += 1
            found.add(changed(state, number, tuple(kept)))
        return found

    def ends(self, start):
        """Every state in which nothing happens any more."""
        seen, todo, found = {start}, [start], set()
        while todo:
            state = todo.pop()
            after = set()
            for at, count in enumerate(self.waiting(state)):
                if count:
                    after |= self.seated(state, at)
            if not after:
                found.add(state)
            todo += after - seen
            seen |= after
            if len(seen) > 30_000:
                raise TooMany
        return found

    def complete(self):
        """Every way to have all pods on nodes."""
        states = {self.empty}
        for at, pod in enumerate(self.pods):
            for _ in range(pod.copies):
                states = {
                    changed(state, number, added(node, at))
                    for state in states
                    for number, node in enumerate(state)
                    if self.fits(added(node, at))
                }
        return states


def added(node, at, count=1):
    return (*node[:at], node[at] + count, *node[at + 1 :])


def changed(state, number, node):
    return tuple(sorted((*state[:number], node, *state[number + 1 :])))


class Rollouts:
    """Updates of some controllers: each controller's new pods are one more controller."""

    def __init__(self, nodes, pods, which):
        self.old = pods
        self.which = which
        new = [Pod(f"{pod.name}-new", pod.request, 0, 0, pod.priority) for pod in pods]
        self.scheduler = Scheduler(nodes, [*pods, *new])
        self.width = len(pods)

    def outcomes(self, arrangement):
        """Whether all updates came to their end, for every end."""
        start = tuple(sorted(node + (0,) * self.width for node in arrangement))
        copies = tuple([pod.copies for pod in self.old] + [0] * self.width)
        seen, todo, found = {(start, copies)}, [(start, copies)], set()
        while todo:
            state = todo.pop()
            after = {*self.steps(*state)}
            if not after:
                found.add(all(state[1][at] == 0 and self.done(*state, at) for at in self.which))
                if len(found) == 2:
                    return found
            todo += after - seen
            seen |= after
            if len(seen) > 15_000:
                raise TooMany
        return found

    def done(self, state, copies, at):
        return sum(node[at + self.width] for node in state) == self.old[at].copies

    def steps(self, state, copies):
        """What the scheduler or a controller does next."""
        waiting = self.scheduler.waiting(state, copies)
        for at, count in enumerate(waiting):
            if count:
                for other in self.scheduler.seated(state, at):
                    yield other, copies
        for at in self.which:
            pod, new = self.old[at], at + self.width
            there = copies[at] + copies[new]
            ready = there - waiting[at] - waiting[new]
            if copies[new] < pod.copies and there < pod.copies + pod.surge:
                yield state, added(copies, new)
            least = pod.copies - (0 if pod.surge else 1)
            if copies[at] and waiting[at]:  # what waits goes first
                yield state, added(copies, at, -1)
            elif copies[at] and ready > least:
                for number, node in enumerate(state):
                    if node[at]:
                        yield changed(state, number, added(node, at, -1)), added(copies, at, -1)


def outcomes(nodes, pods, which):
    """Of updates of these controllers, from every way to have all pods on nodes."""
    rollouts, found = Rollouts(nodes, pods, which), set()
    for arrangement in Scheduler(nodes, pods).complete():
        found |= rollouts.outcomes(arrangement)
        if len(found) == 2:
            break
    return found


def every_way(nodes, pods):
    """Whether some assignment of pods to nodes fits, by looking at each."""
    scheduler = Scheduler(nodes, pods)
    each = [at for at, pod in enumerate(pods) for _ in range(pod.copies)]
    for places in product(range(nodes.count), repeat=len(each)):
        held = [
            tuple(
                sum(
                    1
                    for at, place in zip(each, places, strict=True)
                    if place == node and at == kind
                )
                for kind in range(len(pods))
            )
            for node in range(nodes.count)
        ]
        if all(scheduler.fits(node) for node in held):
            return True
    return False
