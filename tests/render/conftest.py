"""Small readers of systemd's own syntaxes as fixtures."""

import pytest
from readers.systemd_syntax import read_environment_file, split_exec_start


@pytest.fixture(scope="session")
def environment_file():
    return read_environment_file


@pytest.fixture(scope="session")
def systemd_split():
    return split_exec_start
