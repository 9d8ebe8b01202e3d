"""Expressions of --override-tensor: found as re finds them, and never without an end."""

import random
import re
import time

import pytest

from llmgen.budget.server.expression import CountedSearch, Known, SearchGivenUp, _parser, expression

NAMES = [
    "token_embd.weight", "output.weight", "blk.0.attn_q.weight", "blk.17.ffn_gate_exps.weight",
    "blk.3.ffn_down.bias", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "v.blk.1.x_y-Z",
]  # fmt: skip
PARTS = (
    "a", "b", r"\.", "ffn", "blk", "_", ".", r"\d", r"\w", r"\s", r"\D", r"\W", "[a-f]", "[^a.]", "[0-9_]", r"[\d.]",
    "^", "$", r"\b", r"\B", "(?=f)", "(?!b)",
)  # fmt: skip


def drawn(dice, depth=0):
    """An expression of what --override-tensor is written with."""
    parts = []
    for _ in range(dice.randint(1, 3)):
        part = dice.choice(PARTS)
        if depth < 2 and dice.random() < 0.4:
            branches = [drawn(dice, depth + 1) for _ in range(dice.randint(1, 3))]
            part = f"({dice.choice(['', '?:'])}{'|'.join(branches)})"
        if part[0] not in "^$" and part not in (r"\b", r"\B") and not part.startswith("(?"):
            part += dice.choice(["", "", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?"])
        parts.append(part)
    return "".join(parts)


def test_counted_searches_find_what_re_finds():
    dice = random.Random(18)
    for _ in range(1000):
        pattern = drawn(dice)
        # One that counts by itself, whatever the expression.
        counted, plain = CountedSearch(_parser.parse(pattern)), expression(pattern)
        if isinstance(plain, CountedSearch):
            continue
        for name in NAMES[:-2] + [name[:20] for name in NAMES[-2:]]:
            assert counted.search(name) is bool(plain.search(name)), (pattern, name)


@pytest.mark.sample(5)
@pytest.mark.parametrize(
    "pattern", ["(a*)*b", "(a|a)*b", "(.*a)*(.*b)*z", ".*.*.*.*.*.*.*.*q", "((a+)+)+b"]
)
def test_what_never_ends_is_given_up(pattern):
    started = time.process_time()
    found = expression(pattern)
    with pytest.raises(SearchGivenUp, match="too many ways"):
        any(found.search(name) and False for name in NAMES)
    assert time.process_time() - started < 20


def test_what_refers_back_is_not_searched():
    with pytest.raises(SearchGivenUp, match="refers to what it found"):
        expression(r"(a)\1").search("aa")


@pytest.mark.parametrize("pattern", ["(", "*", "[", "(" * 5000 + ")" * 5000, "a{99999999999}"])
def test_what_is_no_expression_is_an_error_of_it(pattern):
    with pytest.raises(re.error):
        expression(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"blk\.(3|4)\.ffn_.*", "exps", r"\.ffn_(up|down|gate|gate_up)_(ch|)exps", ".*ffn.*", r"blk\.\d+\.attn", ".*blk.*ffn.*exps.*"],
)  # fmt: skip
def test_ordinary_expressions_are_res_own(pattern):
    assert isinstance(expression(pattern), Known)
