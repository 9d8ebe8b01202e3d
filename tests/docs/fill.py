"""Write what commands print into a page, where a line is `@@`: to be read before it is committed.

cd tests && python -m docs.fill how-to/two-cards.md
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from docs.page_stages import STAGES  # noqa: E402 - found by the line above
from docs.pages import DOCS, blocks  # noqa: E402
from docs.stages import Stage, prepared  # noqa: E402


def main(page):
    stage = STAGES.get(page, Stage())
    with tempfile.TemporaryDirectory() as folder, prepared(stage, Path(folder)) as terminal:
        for block in blocks(page):
            if block.keeps_running:
                terminal.run(block)
            elif not block.not_run:
                _run(terminal, block)


def _run(terminal, block):
    for command in block.commands:
        code, text = terminal.once(command.line)
        if code != (block.code if command is block.commands[-1] else 0):
            print(f"{block}: `{command.line}` ended with {code}\n{text}")
        _fill(block.page, command.line, text)


def _fill(page, line, text):
    """The first `@@` below that command becomes its output."""
    path = DOCS / page
    whole = path.read_text("utf-8")
    at = whole.find(f"$ {line.replace(chr(10), chr(10) + '> ')}\n")
    end = min(place for place in (whole.find("\n```", at), whole.find("\n$ ", at + 1)) if place > 0)
    mark = whole.find("@@\n", at, end + 1)
    if at >= 0 and mark >= 0:
        shown = "".join(f"{one.rstrip()}\n" for one in text.splitlines())
        path.write_text(whole[:mark] + shown + whole[mark + 3 :], "utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        main(name)
