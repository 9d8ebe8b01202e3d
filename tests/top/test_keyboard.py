"""Bytes of a terminal are keys, several at once too; sequences that are none of ours are left out."""

import pytest

from llmgen.top.keyboard import split


@pytest.mark.parametrize(
    ("read", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1b[Bl", ["up", "down", "l"]),
        (b"\x1bOA", ["up"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[5~\x1b[6~\x1b[H\x1b[F", ["page up", "page down", "home", "end"]),
        (b"\x1b[1;5Cu", ["u"]),
        (b"\x1b[24~o", ["o"]),
        (b"\x1b[", []),
        (b"\x03", ["q"]),
        (b"\r", ["enter"]),
        ("é".encode(), ["\N{REPLACEMENT CHARACTER}"] * 2),
    ],
)
def test_bytes_are_keys(read, keys):
    assert split(read) == keys
