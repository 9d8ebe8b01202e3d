"""Moments of stacks that nobody runs: with two models, with a thousand, with hostile words."""

from msgspec.structs import replace

from llmgen.errors import Diagnostic
from llmgen.operate.status.rows import ModelStatus, PoolStatus, ServiceStatus
from llmgen.top.moment import LiveModel, Moment

GIB = 2**30


def model(name, state="unloaded", **changes):
    """A model of llm.toml; changes of its row, or of what only shows while it is watched."""
    row = ModelStatus(name, "on_demand", state, 0, 0, 0, 0, 8 * GIB, None, 0, None)
    own = {key: changes.pop(key) for key in [*changes] if key in ModelStatus.__struct_fields__}
    return LiveModel(replace(row, **own), **{"is_pinned": False, "health": "", **changes})


def moment(*models, **changes):
    pool = PoolStatus("host", 8 * GIB, 7 * GIB, 20 * GIB, 60 * GIB, 64 * GIB)
    swap = ServiceStatus("swap", "llmgen-swap.service", "active", "ok", 8080, 7, 0, 1, 2, True)
    found = Moment(3, "12:00:00", "box", "llama-swap", "ok", (pool,), tuple(models), (swap,))
    return replace(found, **changes)


CODER = model(
    "coder",
    "ready",
    context=32768,
    slots=2,
    busy=1,
    memory=7 * GIB,
    queue=3,
    tokens_per_second=41.26,
    last_tokens_per_second=50.0,
    ttl_left=None,
)
SMALL = model("small", last_tokens_per_second=12.5, left="made room for coder", left_seconds=75.0)
TWO = moment(CODER, SMALL, last_left="small")
MANY = moment(*(model(f"m{number}") for number in range(999)), CODER)
WRONG = Diagnostic("status.over-plan", "`coder` holds \x1b[31m\u202e7 GiB\nmore")
HOSTILE = moment(
    model("one", "\x1b]0;owned\x07\x1b[2J", left="\u202egnp\r\n", health="a\x9bb"),
    engine="nobody answers at \x1b[0m",
    findings=(WRONG,),
)
