"""status for people: device memory stands beside the plan, and every table fits a terminal."""

from llmgen.cli import drawing
from llmgen.cli.status import _show
from llmgen.operate.status.rows import DeviceStatus, ModelStatus, ServiceStatus

GIB = 2**30
SERVICE = ServiceStatus(
    "model-qwen3-embedding-8b", "", "active", "ok", 9001, 99999, 0, GIB, GIB, None
)


def model(name, held):
    return ModelStatus(
        name, "on_demand", "not running", 32768, 1, 1, GIB, 11 * GIB, held, 81 * GIB, None
    )


def test_tables_fit_eighty_columns_and_unknown_is_a_dash(monkeypatch, capsys):
    monkeypatch.setattr(drawing, "FIXED_WIDTH", 80)
    rows = [model("devstral-small-2-24b", 80 * GIB), model("qwen3-coder", None)]
    _show([SERVICE], rows, [DeviceStatus("gpu0", None, 81 * GIB, 96 * GIB)], [])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert ["gpu0", "-", "81.0", "GiB", "96.0", "GiB"] in [line.split() for line in lines]
    assert ["devstral-small-2-24b", "80.0", "GiB", "81.0", "GiB"] in [x.split() for x in lines]
    assert not [x for x in lines[-3:] if x.startswith("qwen3-coder")]


def test_machine_without_devices_shows_none(capsys):
    _show([SERVICE], [model("a", None)], [], [])
    assert "device memory" not in capsys.readouterr().out
