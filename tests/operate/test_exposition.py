"""What Prometheus reads from a file: its own checker takes it, and nothing unknown is a number."""

import subprocess

import pytest
import readers
from targets import plans

from llmgen.errors import Diagnostic, Severity
from llmgen.operate.guard.unloads import add_unloads, unloads
from llmgen.operate.status.exposition import FoundStack, exposition
from llmgen.operate.status.rows import DeviceStatus, ModelStatus, ServiceStatus

GIB = 2**30
TEXT = '[models.big]\nmodel = "big.gguf"\n[models."small/coder"]\nmodel = "small.gguf"\n'


def model(name, state, *, memory=0, devices=None):
    return ModelStatus(name, "on_demand", state, 4096, 2, 1, memory, GIB, devices, 2 * GIB, None)


def service(name, health):
    return ServiceStatus(name, f"llmgen-{name}.service", "active", health, 1, 1, 0, 0, 0, None)


def text(**more):
    told = {
        "services": (service("swap", "ok"), service("envoy", "no answer"), service("x", "unknown")),
        "models": (model("big", "ready", memory=5, devices=7), model("small/coder", "unloaded")),
        "devices": (DeviceStatus("gpu0", 9 * GIB, 0, 24 * GIB),),
        "differences": (),
        "host_used": 3 * GIB,
        "unloads": 2,
        "seconds": 1000.5,
    }
    return exposition(plans.plan(TEXT), FoundStack(**{**told, **more}))


def lines(name, found):
    return [line.removeprefix(name) for line in found.splitlines() if line.startswith(name)]


@pytest.mark.reader("promtool")
@pytest.mark.parametrize("more", [{}, {"services": (), "models": (), "devices": ()}])
def test_promtool_takes_it(more):
    done = subprocess.run(
        [readers.find("promtool"), "check", "metrics"],
        input=text(**more),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_services_answer_or_not_and_what_is_unknown_is_left_out():
    assert lines("llmgen_service_up", text()) == ['{service="swap"} 1', '{service="envoy"} 0']


def test_models_are_loaded_with_their_memory_beside_the_plan():
    found = text()
    assert lines("llmgen_model_loaded", found) == ['{model="big"} 1', '{model="small/coder"} 0']
    assert lines("llmgen_model_memory_bytes", found) == [
        '{model="big",memory="host"} 5',
        '{model="big",memory="devices"} 7',
    ]
    assert lines("llmgen_model_memory_planned_bytes", found) == [
        f'{{model="big",memory="host"}} {GIB}',
        f'{{model="big",memory="devices"}} {2 * GIB}',
    ]


def test_memory_that_no_driver_tells_has_no_line():
    found = text(
        models=(model("big", "ready"),), devices=(DeviceStatus("gpu0", None, None, 24 * GIB),)
    )
    assert lines("llmgen_model_memory_bytes", found) == []
    assert lines("llmgen_pool_used_bytes", found) == [f'{{pool="host"}} {3 * GIB}']


def test_a_model_whose_state_is_unknown_is_neither_loaded_nor_not():
    found = text(models=(model("big", "unknown"), model("small/coder", "unloaded")))
    assert lines("llmgen_model_loaded", found) == ['{model="small/coder"} 0']
    assert lines("llmgen_pool_planned_bytes", found) == []


def test_pools_have_what_is_used_and_what_the_plan_gives_to_what_runs():
    found, plan = text(), plans.plan(TEXT)
    assert lines("llmgen_pool_used_bytes", found) == [
        f'{{pool="gpu0"}} {9 * GIB}',
        f'{{pool="host"}} {3 * GIB}',
    ]
    planned = plan.placement("big").footprint["gpu0"]
    assert lines("llmgen_pool_planned_bytes", found)[0] == f'{{pool="gpu0"}} {planned}'


def test_differences_are_counted_by_code_and_remarks_are_none():
    wrong = Diagnostic("operate.edited-file", "x", hint="y")
    remark = Diagnostic("probe.slow", "x", hint="y", severity=Severity.WARNING)
    assert lines("llmgen_differences", text(differences=(wrong, wrong, remark))) == [
        '{code="operate.edited-file"} 2'
    ]
    assert lines("llmgen_differences", text()) == []


def test_hostile_names_are_text():
    found = text(services=(service('a"b\\c\nd', "ok"),))
    assert lines("llmgen_service_up", found) == ['{service="a\\"b\\\\c\\nd"} 1']


def test_what_guard_unloaded_is_counted_on(tmp_path):
    assert unloads(tmp_path) == 0
    add_unloads(tmp_path, 0)
    assert [*tmp_path.iterdir()] == []
    add_unloads(tmp_path / "state", 1)
    add_unloads(tmp_path / "state", 2)
    assert unloads(tmp_path / "state") == 3
    assert lines("llmgen_guard_unloads_total", text(unloads=3)) == [" 3"]
