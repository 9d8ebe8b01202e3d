"""A destination is a host and nothing else: neither to ssh nor to a shell."""

import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmgen.remote.destination import Destination, destination
from llmgen.remote.openssh import ssh


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("studio", Destination("studio")),
        ("ai@192.168.1.10", Destination("192.168.1.10", "ai")),
        ("first.last@spark.lan", Destination("spark.lan", "first.last")),
        ("fe80::1%eth0", Destination("fe80::1%eth0")),
        ("ai@::1", Destination("::1", "ai")),
    ],
)
def test_names_and_addresses_are_destinations(text, found):
    assert destination(text) == found
    assert str(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@studio",
        "ai@",
        "-oProxyCommand=id",
        "ai@-oProxyCommand=id",
        "-l@studio",
        "a@b@c",
        "two words",
        "studio\n",
        "studio\x00",
        "$(id)",
        "`id`",
        "a;id",
        "a'b",
        'a"b',
        "a|b",
        "a&b",
        "%h",
        "a/b",
        "ssh://studio",
        "studio:22",
        "[::1]",
        "fe80::1%eth0;id",
        "fe80::1%",
        "stüdio",
        "x" * 300,
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="USER@HOST"):
        destination(text)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_port_is_a_port(port):
    with pytest.raises(ValueError, match="65535"):
        destination("studio", port)


@given(st.text() | st.text(alphabet="-@a1.:%_ '\"$`\\\n;|&<>()[]{}*?!~#=/\x00\x1b", max_size=12))
@example("-F/dev/null")
def test_what_is_taken_has_one_meaning_to_ssh_and_to_every_shell(text):
    try:
        found = destination(text)
    except ValueError:
        return
    assert text.isascii()
    assert text.isprintable()
    assert not text.startswith("-")
    assert not found.host.startswith("-")
    assert shlex.split(text) == [text]
    assert not set(text) & set(" \t'\"$`\\;|&<>()[]{}*?!~#=/")
    words = ssh(found, connect_seconds=10)
    assert words[-3:-1] == ("--", text)
