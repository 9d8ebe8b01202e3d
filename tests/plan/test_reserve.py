"""Memory in numbers without units, and reserves larger than what they are kept of."""

import pytest
from libraries import models, planned
from making import HEAD

from llmgen.errors import ConfigError, PlanError


@pytest.mark.parametrize(
    ("was", "now", "key"),
    [
        ('memory = "32GiB"', "memory = 32", ("hardware", "memory")),
        ('memory = "24GiB"', "memory = 24", ("hardware", "devices")),
    ],
)
def test_gigabytes_without_their_unit_are_refused(was, now, key):
    with pytest.raises(ConfigError) as caught:
        planned(models("a"), head=HEAD.replace(was, now))
    (found,) = caught.value.diagnostics
    assert (found.code, found.key, found.hint) == (
        "hardware.bytes",
        key,
        f'`{now[:-2]}"{now[-2:]}GiB"`',
    )


def test_reserve_beyond_the_memory_is_told_as_such():
    with pytest.raises(PlanError) as caught:
        planned(models("a"), head=HEAD.replace('reserve = "2GiB"', 'reserve = "33GiB"'))
    found = caught.value.diagnostics[0]
    assert found.message == "host is full before any model: its reserve is 1.0 GiB more than it has"
    assert found.key == ("hardware", "reserve")
