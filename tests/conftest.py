"""Readers by marker: a missing one skips its tests and is named in the last lines.

What takes minutes is marked `thorough`: `make test` leaves it out, and says how much that is.
"""

import gc
import sys
from collections import Counter

import pytest
import readers
from how_many import examples
from hypothesis import HealthCheck, settings

# How fast a machine draws examples says nothing about the program.
settings.register_profile(
    "untimed", examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

# For a format that no schema here has, jsonschema would compile grammars: five seconds in each process.
sys.modules.setdefault("rfc3987_syntax", None)

# Thousands of tests and modules stay to the end: they are looked through once, not at each turn.
gc.set_threshold(100_000, 20, 20)


def pytest_collection_finish():
    """What is collected is nothing to be freed."""
    gc.collect()
    gc.freeze()


MISSING = "missing reader"
# Where each test boots a machine or compiles.
THOROUGH = {"tests/containers", "tests/fleet_live", "tests/systemd"}
left_out = pytest.StashKey[int]()
# How many cases of a test there are so far.
cases = Counter()

# One boot of systemd, one live stack, one built release, a few planned reports serve a whole folder: its tests stay in one process.
SHARING = {
    *("tests/containers", "tests/fleet_live", "tests/live", "tests/packages", "tests/report"),
    "tests/systemd",
}


def pytest_itemcollected(item):
    """Say which tests share what is dear to start, where `make test` runs several processes."""
    # Of thousands in each process: text is quicker than paths.
    file = item.nodeid.partition("::")[0]
    folder = file.rpartition("/")[0]
    item.add_marker(pytest.mark.xdist_group(folder if folder in SHARING else file))
    if folder in THOROUGH or not is_sample(item):
        item.add_marker(pytest.mark.thorough)


def is_sample(item):
    """Whether a case is one of those that stand for all of its test."""
    if not hasattr(item, "callspec"):
        return True
    # Of draws in parts the first one alone is quick.
    if item.callspec.params.get("part", 0):
        return False
    test = item.nodeid.partition("[")[0]
    cases[test] += 1
    every = next((marker.args[0] for marker in item.iter_markers("sample")), 1)
    return cases[test] % every == 1 % every


def pytest_deselected(items):
    """Count what `-m "not thorough"` leaves out; every process of several collects the same."""
    if not items:
        return
    config = items[0].config
    config.stash[left_out] = sum(item.get_closest_marker("thorough") is not None for item in items)
    if hasattr(config, "workeroutput"):
        config.workeroutput["left out"] = config.stash[left_out]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Take the count of a process of pytest-xdist."""
    node.config.stash[left_out] = getattr(node, "workeroutput", {}).get("left out", 0)


def pytest_runtest_setup(item):
    for marker in item.iter_markers("reader"):
        for program in marker.args:
            if readers.find(program) is not None:
                continue
            item.user_properties.append((MISSING, program))
            known = readers.installable(program)
            how = "`make readers` installs it" if known else "no registry has it"
            message = f"reader `{program}` is missing; {how}"
            if readers.required() and not readers.optional(program):
                pytest.fail(message, pytrace=False)
            pytest.skip(message)


def pytest_terminal_summary(terminalreporter, config):
    """Count by the reports, which come from every process; those of set-up have the property too."""
    if count := config.stash.get(left_out, 0):
        terminalreporter.write_line(
            f"thorough: {count} tests left out; `LLMGEN_READERS=required make test` runs all"
        )
    named = Counter(
        program
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "setup"
        for name, program in report.user_properties
        if name == MISSING
    )
    for program, count in sorted(named.items()):
        terminalreporter.write_line(f"{MISSING}: {program} ({count} tests not run with it)")
