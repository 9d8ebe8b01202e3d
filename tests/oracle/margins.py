"""How large a margin every recorded total asks for, for each kind that llmgen/budget/margin.py names.

Run it in tests/: `../.venv/bin/python -m oracle.margins`.
"""

from llmgen.budget.compute.buffers import compute_buffers
from llmgen.budget.contexts import context
from llmgen.budget.margin import EMBEDDING, GUESSED, HOST_CACHE, ORDINARY, SEVERAL_DEVICES, extra
from llmgen.units import MIB
from oracle import grid
from oracle.comparison import all_facts, is_answered, pairs

NAMES = {
    id(ORDINARY): "ordinary",
    id(EMBEDDING): "embedding",
    id(HOST_CACHE): "host cache",
    id(SEVERAL_DEVICES): "several devices",
    id(GUESSED): "guessed graphs",
}


def main():
    """Print, for each kind, the bytes beside its share of compute that the worst case asks for."""
    worst: dict[str, tuple[float, str]] = {}
    for path in sorted(grid.DATA.glob("answers-b*.json.xz")):
        for pair in pairs(grid.recorded(path)):
            if is_answered(pair):
                for kind, wanted, said in asked(pair):
                    worst[kind] = max(worst.get(kind, (0.0, "")), (wanted, said))
    for kind, (wanted, said) in sorted(worst.items()):
        print(f"{kind:28} {wanted:7.1f} MiB  {said}")


def asked(pair):
    """(kind, MiB beside the share of compute, where) of each device of a point."""
    point, first = pair.point, 1 if len(pair.ours.memory) > 1 else 0
    ground = context(all_facts()[point.model], point.settings, point.build).ground
    more = GUESSED if compute_buffers(ground).guessed else extra(point.settings)
    for mine, (ours, theirs, _) in zip(pair.ours.memory[first:], pair.device_totals(), strict=True):
        wanted = theirs - ours - mine.compute * more.percent // 100
        yield NAMES[id(more)], wanted / MIB, f"b{point.build} {point.model} on {mine.device}"


if __name__ == "__main__":
    main()
