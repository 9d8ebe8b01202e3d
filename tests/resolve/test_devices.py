import pytest
from making import config

from llmgen.errors import ConfigError
from llmgen.machine import machine
from llmgen.resolve.devices import findings


def findings_of(text):
    made = config(text)
    return [*findings(made, machine(made.hardware, made.budget))]


def codes(text):
    return [item.code for item in findings_of(text)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[models.a]\nmodel = "a.gguf"\ndevice = ["gpu3"]\n', "models.no-device"),
        ('[defaults]\ndevice = ["gpu3"]\n', "models.no-device"),
        (
            '[models.a]\nmodel = "a.gguf"\ndraft = { model = "d.gguf", device = ["gpu3"] }\n',
            "models.no-device",
        ),
        ('[models.a]\nmodel = "a.gguf"\ntensor_split = [1, 1]\n', "models.split-shares"),
        ("[defaults]\ntensor_split = [1, 1]\n", "models.split-shares"),
        (
            '[models.a]\nmodel = "a.gguf"\nsplit_mode = "none"\nmain_gpu = 1\n',
            "models.no-main-gpu",
        ),
        (
            '[defaults]\nsplit_mode = "none"\nmain_gpu = 3\n[models.a]\nmodel = "a.gguf"\n',
            "models.no-main-gpu",
        ),
    ],
)
def test_devices_that_are_not_there_are_refused(text, code):
    assert codes(text) == [code]


def test_devices_that_are_there_are_not():
    assert codes('[defaults]\ndevice = ["gpu0"]\ntensor_split = [1]\n') == []


@pytest.mark.parametrize("name", ["gpu0", "CUDA0", "cuda0"])
def test_server_s_names_are_names_everywhere(name):
    text = f"""
[budget.reserve]
{name} = "1GiB"
[defaults]
device = ["{name}"]
override_tensor = ["exps=CPU", "blk=CUDA_Host", "output={name}"]
[models.a]
model = "a.gguf"
draft = {{ model = "d.gguf", device = ["{name}"] }}
"""
    assert codes(text) == []
    made = config(text)
    assert machine(made.hardware, made.budget).devices[0].reserve_bytes == 2**30 + 512 * 2**20


@pytest.mark.parametrize("key", ["device = [{}]", "draft = {{ model = 'd.gguf', device = [{}] }}"])
def test_device_under_both_names_is_there_twice(key):
    text = f"[models.a]\nmodel = 'a.gguf'\n{key}\n"
    assert codes(text.format("'gpu0', 'CUDA0'")) == ["models.device-twice"]


def test_buffers_that_are_not_there_are_refused():
    text = "[models.a]\nmodel = 'a.gguf'\noverride_tensor = ['a=CPU', 'b={}']\n"
    assert codes(text.format("CUDA0")) == []
    for wrong in ("CUDA1", "gpu1", "ROCm0", "host"):
        (found,) = findings_of(text.format(wrong))
        assert (found.code, found.key[-2:]) == ("models.no-device", ("override_tensor", 1))
        assert "gpu0 (CUDA0)" in found.hint


TWO = """
edition = 1
[hardware]
os = "linux"
backend = "vulkan"
memory = "32GiB"
devices = [{{ memory = "8GiB"{first} }}, {{ memory = "8GiB"{second} }}]
"""


@pytest.mark.parametrize(
    ("first", "second"), [("Vulkan1", ""), ("", "vulkan0"), ("gpu1", ""), ("", "gpu0")]
)
def test_two_devices_of_one_name_are_refused(first, second):
    names = {
        key: f', name = "{name}"' if name else ""
        for key, name in (("first", first), ("second", second))
    }
    made = config(head=TWO.format(**names))
    with pytest.raises(ConfigError) as caught:
        machine(made.hardware, made.budget)
    (found,) = caught.value.diagnostics
    assert (found.code, found.key) == ("hardware.same-device", ("hardware", "devices", 1))


def test_devices_may_have_each_other_s_numbers():
    swapped = TWO.format(first=', name = "Vulkan1"', second=', name = "Vulkan0"')
    made = config(head=swapped)
    found = machine(made.hardware, made.budget)
    assert [found.key_of(name) for name in ("Vulkan0", "Vulkan1", "gpu0")] == [
        "gpu1",
        "gpu0",
        "gpu0",
    ]
