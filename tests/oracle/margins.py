"""How large a margin every recorded total asks for, for each kind that llmgen/budget/margin.py names.

Run it in tests/: `../.venv/bin/python -m oracle.margins`.
"""

from llmgen.budget.margin import EMBEDDING, HOST_CACHE, ORDINARY, SEVERAL_DEVICES, WIDER, extra
from llmgen.units import MIB
from oracle import grid
from oracle.comparison import all_facts, is_answered, pairs

NAMES = {
    id(ORDINARY): "ordinary",
    id(EMBEDDING): "embedding",
    id(HOST_CACHE): "host cache",
    id(SEVERAL_DEVICES): "several devices",
} | {id(item.extra): f"{item.architecture} before b{item.until}" for item in WIDER}


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
    more = extra(all_facts()[point.model].architecture, point.settings, point.build)
    for mine, (ours, theirs, _) in zip(pair.ours.memory[first:], pair.device_totals(), strict=True):
        wanted = theirs - ours - mine.compute * more.percent // 100
        yield NAMES[id(more)], wanted / MIB, f"b{point.build} {point.model} on {mine.device}"


if __name__ == "__main__":
    main()
