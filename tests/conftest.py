"""Readers by marker: a missing one skips its tests and is named in the last lines."""

import pytest
import readers

_missing: dict[str, int] = {}


def pytest_runtest_setup(item):
    for marker in item.iter_markers("reader"):
        for program in marker.args:
            if readers.find(program) is not None:
                continue
            _missing[program] = _missing.get(program, 0) + 1
            known = readers.installable(program)
            how = "`make readers` installs it" if known else "no registry has it"
            message = f"reader `{program}` is missing; {how}"
            if readers.required() and not readers.optional(program):
                pytest.fail(message, pytrace=False)
            pytest.skip(message)


def pytest_terminal_summary(terminalreporter):
    for program, count in sorted(_missing.items()):
        terminalreporter.write_line(f"missing reader: {program} ({count} tests not run with it)")
