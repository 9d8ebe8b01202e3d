"""How long a browser takes to open a report: this repository's, two cards, 1,000 models, and none.

Run it as ``python tests/bench/report_speed.py [--runs N]``: Debian's headless Chromium, from the
start of the navigation to the load event, the median of the runs, all in one browser.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))
import report_stacks as stacks
from readers.chromium import chromium

from llmgen.render.environment import make_render
from llmgen.report.page import page

EMPTY = b'<!DOCTYPE html><html lang="en"><title>empty</title><p>empty</p>'
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def contents() -> dict[str, bytes]:
    """The pages by what they are of."""
    texts = {
        "this repository": stacks.repository(),
        "two cards": stacks.TWO_CARDS,
        "1,000 models": stacks.many(1000),
    }
    made = {name: page(stacks.report_of(text), make_render()) for name, text in texts.items()}
    return {"empty": EMPTY, **made}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        browser.look(1600)
        for name, content in contents().items():
            path = Path(folder, "page.html")
            path.write_bytes(content)
            times = []
            for _ in range(runs):
                browser.open(path)
                times.append(browser.ask(LOADED))
            print(f"{name:16} {len(content) / 1024:6.0f} KiB {median(times):6.0f} ms")


if __name__ == "__main__":
    main()
