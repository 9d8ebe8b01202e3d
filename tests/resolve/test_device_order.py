"""CUDA devices are numbered as nvidia-smi numbers them, where there are several."""

import pytest
from making import config

from llmgen.machine import machine

HEAD = """
edition = 1
[hardware]
os = "linux"
backend = "{backend}"
memory = "32GiB"
devices = [{devices}]
{more}
"""
CARD = '{ memory = "8GiB" }'


def environment(devices, backend="cuda", more=""):
    head = HEAD.format(devices=", ".join([CARD] * devices), backend=backend, more=more)
    made = config(head=head)
    return dict(machine(made.hardware, made.budget).environment)


def test_several_cuda_devices_keep_the_order_of_their_slots():
    assert environment(2) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@pytest.mark.parametrize(("devices", "backend"), [(1, "cuda"), (2, "vulkan"), (2, "rocm")])
def test_others_are_left_alone(devices, backend):
    assert environment(devices, backend) == {}


def test_own_order_is_kept():
    own = 'environment = { CUDA_DEVICE_ORDER = "FASTEST_FIRST", A = "b" }'
    assert environment(2, more=own) == {"CUDA_DEVICE_ORDER": "FASTEST_FIRST", "A": "b"}
