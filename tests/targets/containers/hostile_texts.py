"""Texts that a syntax could take for its own: every special character, drawn often."""

import random

SPECIAL = "$${}{%%\"'`\\#;:,=|&<>[]()*?!~@^ \t-+/.\u00e9\u2026\U0001f999"
WORDS = (
    "${HOME}",
    "$$",
    "%n",
    "%%",
    "$(id)",
    "`id`",
    "null",
    "true",
    "08",
    "1e3",
    "!tag",
    "a: b",
    " #",
)


def hostile(count, seed, *, tabs=False):
    """One-line texts without control characters, as llm.toml takes them; always the same ones."""
    draw = random.Random(seed)
    special = SPECIAL if tabs else SPECIAL.replace("\t", "")
    return [_text(draw, special) for _ in range(count)]


def _text(draw, special):
    parts = []
    for _ in range(draw.randint(1, 6)):
        match draw.randint(0, 3):
            case 0:
                parts.append(draw.choice(WORDS))
            case 1:
                parts.append("".join(draw.choices("abcXYZ019_", k=draw.randint(1, 4))))
            case _:
                parts.append("".join(draw.choices(special, k=draw.randint(1, 5))))
    return "".join(parts)
