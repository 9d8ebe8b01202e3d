"""The simulator does what the real llama-swap did, request by request."""

import json

import pytest
from simulator import GroupSwap, MatrixSwap
from walks import RECORDED

WALKS = json.loads(RECORDED.read_text())


def engine(routing):
    settings = routing["settings"]
    if routing["use"] == "matrix":
        matrix = settings["matrix"]
        return MatrixSwap(matrix["sets"], matrix["vars"], matrix["evict_costs"])
    return GroupSwap(
        (frozenset(group["members"]), group["swap"], group["exclusive"], group["persistent"])
        for group in settings["groups"].values()
    )


@pytest.mark.parametrize("walk", WALKS, ids=[walk["engine"] for walk in WALKS])
def test_simulator_holds_what_the_real_one_held(walk):
    swap = engine(walk["routing"])
    simulated = [sorted(swap.request(name)) for name in walk["requests"]]
    assert simulated == walk["held"]
