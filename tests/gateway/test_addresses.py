"""One spelling for each place that an address stands in."""

import pytest

from llmgen.gateway.addresses import in_url, nearest, wildcard


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        (["127.0.0.1"], "127.0.0.1"),
        (["10.0.0.1", "[::1]"], "::1"),
        (["10.0.0.1", "localhost"], "localhost"),
        (["10.0.0.1", "fd00::1"], "10.0.0.1"),
        (["0.0.0.0"], "127.0.0.1"),
        (["[::]"], "::1"),
    ],
)
def test_nearest_address_is_loopback_where_the_service_is_there(addresses, found):
    assert nearest(addresses) == found


@pytest.mark.parametrize(
    ("address", "written"),
    [("::1", "[::1]"), ("[::1]", "[::1]"), ("10.0.0.1", "10.0.0.1"), ("box.lan", "box.lan")],
)
def test_only_ipv6_stands_in_brackets(address, written):
    assert in_url(address) == written


def test_every_address_of_the_machine_is_two_words():
    assert [wildcard(item) for item in ("0.0.0.0", "::", "[::]", "::1")] == [True] * 3 + [False]
