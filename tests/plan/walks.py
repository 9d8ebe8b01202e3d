"""Stacks, engines and request sequences that both the real programs and the simulator walk.

``python tests/plan/walks.py`` records the real llama-swap's answers in ``data/walks.json``.
"""

import json
import sys
import tempfile
from pathlib import Path
from random import Random

from llmgen.plan import derive
from llmgen.plan.plan import Group, Groups
from llmgen.plan.stack import Stack

RECORDED = Path(__file__).parent / "data" / "walks.json"
# Six on-demand models, one pinned, on a device and a host.
STACK = Stack(
    budgets={"gpu0": 100, "host": 60},
    demand={
        "embed": {"gpu0": 10, "host": 5},
        "chat": {"gpu0": 50, "host": 10},
        "coder": {"gpu0": 40, "host": 10},
        "draft": {"gpu0": 30, "host": 20},
        "large": {"gpu0": 60, "host": 20},
        "small": {"gpu0": 20, "host": 30},
    },
    pinned=frozenset({"embed"}),
    load_cost={"embed": 1, "chat": 5, "coder": 4, "draft": 3, "large": 6, "small": 2},
)
# Groups that show every rule: one-way exclusivity, persistence, swapping and not, the default group.
GROUPS = Groups(
    (
        Group("kept", ("embed",), swap=False, exclusive=False, persistent=True),
        Group("big", ("chat", "large"), swap=True, exclusive=True, persistent=False),
        Group("tools", ("coder", "draft"), swap=False, exclusive=False, persistent=False),
    )
)


def requests(count, seed=0):
    """Popular models often, every model sometimes, some twice in a row."""
    random = Random(seed)
    names = list(STACK.demand)
    chosen = random.choices(names, weights=[6, 4, 3, 3, 2, 5], k=count)
    return [chosen[max(0, at - random.randint(0, 1))] for at in range(count)]


def matrices():
    """The same sets, listed and as an expression."""
    listed = derive.matrix(STACK).matrix
    pack = derive.packing(STACK)
    drawn = derive.expression_of(STACK, derive.diagram(pack)).matrix
    return {"listed": listed, "expression": drawn}


def record(count=150):
    """Walk the real llama-swap and keep what it held."""
    sys.path.append(str(Path(__file__).parent.parent))
    from readers.residency import group_routing, matrix_routing, walk_swap  # noqa: PLC0415

    routings = {name: matrix_routing(found) for name, found in matrices().items()}
    routings["groups"] = group_routing(GROUPS)
    found = []
    for seed, (name, routing) in enumerate(routings.items(), 1):
        asked = requests(count, seed)
        with tempfile.TemporaryDirectory() as folder:
            held = list(walk_swap(Path(folder), list(STACK.demand), routing, asked))
        found.append({"engine": name, "routing": routing, "requests": asked, "held": held})
    rows = (json.dumps(walk) for walk in found)
    RECORDED.write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    record()
