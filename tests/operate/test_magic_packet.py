"""The magic packet, and how long somebody waits for its answer."""

import socket

import pytest

from llmgen.errors import InputError
from llmgen.operate.engines import magic_packet
from llmgen.operate.engines.magic_packet import is_awake, packet, send, wake


@pytest.fixture
def sent(monkeypatch):
    found = []
    monkeypatch.setattr(magic_packet, "send", lambda *words: found.append(words))
    return found


class Clock:
    """Time that passes when somebody pauses."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds


@pytest.mark.parametrize("mac", ["aa:bb:cc:dd:ee:ff", "AA-BB-CC-DD-EE-FF"])
def test_the_packet_is_six_times_ff_and_the_card_sixteen_times(mac):
    assert packet(mac) == b"\xff" * 6 + b"\xaa\xbb\xcc\xdd\xee\xff" * 16


def test_it_goes_to_the_address_that_is_told():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        card.bind(("127.0.0.1", 0))
        card.settimeout(5)
        send("aa:bb:cc:dd:ee:ff", "127.0.0.1", port=card.getsockname()[1])
        assert card.recv(200) == packet("aa:bb:cc:dd:ee:ff")


def test_a_network_that_is_none_is_one_message():
    with pytest.raises(InputError, match=r"no packet can be sent to `no-such.invalid`"):
        send("aa:bb:cc:dd:ee:ff", "no-such.invalid")


def test_who_is_awake_is_sent_nothing(sent):
    assert wake("m", "b", lambda: True, 10)
    assert sent == []


def test_the_packet_is_sent_again_until_there_is_an_answer(sent):
    clock = Clock()
    assert wake("m", "b", lambda: clock.now > 7, 60, clock=clock, pause=clock.pause)
    assert len(sent) == 3


def test_nobody_waits_longer_than_told(sent):
    clock = Clock()
    assert not wake("m", "b", lambda: False, 20, clock=clock, pause=clock.pause)
    assert 20 <= clock.now < 21


def test_a_port_where_nobody_listens_is_asleep():
    assert not is_awake("http://127.0.0.1:1/health")
