import pytest
from making import config

from llmgen.machine import machine
from llmgen.resolve.devices import findings


def codes(text):
    made = config(text)
    return [item.code for item in findings(made, machine(made.hardware, made.budget))]


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
