import pytest
from booted import Booted, why_not


@pytest.fixture(scope="session")
def booted():
    reason = why_not()
    if reason:
        pytest.skip(f"no systemd can be booted here: {reason}")
    machine = Booted()
    yield machine
    machine.end()
