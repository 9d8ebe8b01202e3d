"""What status says in each state that a stack can be in."""

from pathlib import PurePosixPath
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from llmgen.apply.changes import Action, Change
from llmgen.detect.devices import Gpu
from llmgen.library import Keep
from llmgen.operate.engines.swap import Loaded
from llmgen.operate.managers.systemd import no_manager
from llmgen.operate.status.observations import Observed, Process, ServerState, UnitState
from llmgen.operate.status.rows import ExpectedService, devices, models, services
from llmgen.operate.status.truth import findings, is_well
from llmgen.targets.services import Service

ALWAYS = Service("model-a", "", ("/bin/llama-server",), (("LLAMA_ARG_CTX_SIZE", "512"),))
SWAP = Service("swap", "", ("/bin/llama-swap", "-config", "/etc/x.yaml"))
EXPECTED = [
    ExpectedService(ALWAYS, "llmgen-model-a.service", 9001, "http://127.0.0.1:9001"),
    ExpectedService(SWAP, "llmgen-swap.service", 8080, "http://127.0.0.1:8080"),
]
FILE = PurePosixPath("etc/systemd/system/llmgen-swap.service")
COMMAND = ("/bin/llama-server", "--model", "/m/b.gguf", "--ctx-size", "512")
UP = UnitState(is_loaded=True, is_active=True, state="active", pid=10)
PROCESSES = {
    10: Process(10, ALWAYS.argv, environment=dict(ALWAYS.environment)),
    11: Process(11, SWAP.argv),
}


def placement(name, keep, port=0, argv=COMMAND):
    estimate = SimpleNamespace(on=lambda device: 2**20)
    model = SimpleNamespace(path=f"/m/{name}.gguf", is_llama=True, is_plain=True)
    return SimpleNamespace(
        name=name, keep=keep, port=port, argv=argv, estimate=estimate, model=model
    )


MACHINE = SimpleNamespace(devices=(), process_overhead_bytes=0)
PLAN = SimpleNamespace(
    library=SimpleNamespace(machine=MACHINE),
    placements=[placement("a", Keep.ALWAYS, 9001), placement("b", Keep.ON_DEMAND)],
)
WELL = Observed(
    units={"llmgen-model-a.service": UP, "llmgen-swap.service": replace(UP, pid=11)},
    listeners={9001: PROCESSES[10], 8080: PROCESSES[11]},
    processes=PROCESSES,
    answers={name: ServerState("ok", 512, 1) for name in ("model-a", "swap", "a")},
    loaded=(),
)


def found(seen=WELL, decided=(), known=(FILE,)):
    return [*findings(PLAN, EXPECTED, decided, known, seen)]


def codes(*given, **settings):
    return [item.code.removeprefix("status.") for item in found(*given, **settings)]


def unit(**settings):
    return replace(
        WELL, units=WELL.units | {"llmgen-swap.service": replace(UP, pid=11, **settings)}
    )


def test_all_well_finds_nothing():
    assert found() == []


def test_dead_backend_is_a_running_unit_that_does_not_answer():
    seen = replace(WELL, answers=WELL.answers | {"swap": ServerState("no answer")})
    assert codes(seen) == ["dead-backend"]


def test_loading_server_is_a_note():
    seen = replace(WELL, answers=WELL.answers | {"model-a": ServerState("loading")})
    assert codes(seen) == ["loading"]
    assert is_well(found(seen))


@pytest.mark.parametrize(
    ("change", "known", "code"),
    [
        (Change(Action.UPDATE, FILE), (FILE,), "stale-file"),
        (Change(Action.DELETE, FILE), (FILE,), "stale-file"),
        (Change(Action.CREATE, PurePosixPath("etc/new")), (FILE,), "stale-file"),
        (Change(Action.CREATE, FILE), (FILE,), "missing-file"),
        (Change(Action.CONFLICT, FILE, reason="was changed"), (FILE,), "edited-file"),
    ],
)
def test_files_that_differ_are_named(change, known, code):
    assert codes(decided=[change], known=known) == [code]


def test_kept_files_are_silent():
    assert codes(decided=[Change(Action.KEEP, FILE), Change(Action.ADOPT, FILE)]) == []


def test_foreign_process_on_the_port_is_named():
    thief = Process(77, ("/usr/bin/nginx", "-g"), user="www")
    seen = replace(WELL, listeners=WELL.listeners | {8080: thief})
    (only,) = found(seen)
    assert only.message == "port 8080 of `swap` is taken by `nginx` (process 77, user www)"


def test_child_of_the_unit_is_not_foreign():
    child = Process(78, SWAP.argv, parents=(11, 1))
    assert codes(replace(WELL, listeners=WELL.listeners | {8080: child})) == []


def test_hidden_listener_of_an_active_unit_is_not_accused():
    assert codes(replace(WELL, listeners=WELL.listeners | {8080: None})) == []


def test_hidden_listener_without_a_unit_is_foreign():
    seen = replace(unit(is_active=False, state="inactive"), listeners=WELL.listeners | {8080: None})
    assert codes(seen) == ["foreign-port", "unit-down"]


def test_always_on_model_with_other_options_is_named():
    other = replace(PROCESSES[10], environment={"LLAMA_ARG_CTX_SIZE": "9999"})
    seen = replace(WELL, processes=PROCESSES | {10: other})
    assert codes(seen) == ["other-command"]


def test_other_options_of_an_older_file_are_mended_by_an_install():
    other = replace(PROCESSES[10], environment={"LLAMA_ARG_CTX_SIZE": "9999"})
    seen = replace(WELL, processes=PROCESSES | {10: other})
    hints = {item.hint for item in found(seen, [Change(Action.UPDATE, FILE)])}
    assert hints == {"`llmgen install`"}


def test_options_that_are_hidden_are_not_judged():
    seen = replace(WELL, processes=PROCESSES | {10: replace(PROCESSES[10], environment={})})
    assert codes(seen) == []


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/bin/llama-server --model /m/b.gguf --ctx-size 512 --port 1 --host 127.0.0.1", []),
        ("/bin/llama-server --model /m/b.gguf --ctx-size 4096 --port 1", ["other-command"]),
        ("/bin/llama-server --model '/m/c d.gguf' --ctx-size 512", ["other-command"]),
    ],
)
def test_on_demand_model_is_compared_by_its_command_line(command, expected):
    assert codes(replace(WELL, loaded=(Loaded("b", "ready", command),))) == expected


def test_failed_unit_says_how_it_failed():
    (only,) = found(unit(is_active=False, state="failed", result="exit-code"))
    assert only.message == "`llmgen-swap.service` is failed (exit-code)"


def test_unit_edited_under_the_manager_is_outdated():
    assert codes(unit(is_outdated=True)) == ["unit-outdated"]


def test_restarts_are_a_warning():
    seen = unit(restarts=3)
    assert codes(seen) == ["restarted"]
    assert is_well(found(seen))


def test_unit_that_does_not_start_with_the_machine():
    off = replace(UP, is_enabled=False)
    seen = replace(WELL, units={**WELL.units, "llmgen-model-a.service": off})
    assert codes(seen) == ["not-enabled"]
    assert is_well(found(seen))


def test_absent_unit_is_named_once():
    seen = replace(WELL, units={"llmgen-model-a.service": UP}, listeners={9001: PROCESSES[10]})
    assert codes(seen) == ["unit-absent"]


def test_nothing_installed_is_not_drift():
    nothing = Observed({}, {}, {}, {}, loaded=None)
    assert codes(nothing, decided=[Change(Action.CREATE, FILE)], known=()) == []
    assert [row.state for row in services(EXPECTED, nothing)] == ["absent", "absent"]
    assert [row.state for row in models(PLAN, nothing)] == ["not running", "unknown"]


def test_memory_above_the_plan_is_a_warning():
    big = replace(PROCESSES[10], memory_bytes=3 * 2**30)
    assert codes(replace(WELL, listeners=WELL.listeners | {9001: big})) == ["over-plan"]


NO_BUS = no_manager("Failed to connect to bus: No medium found\n")
QUIET = replace(WELL, units={}, no_manager=NO_BUS)


@pytest.mark.parametrize(
    "said",
    [
        "Failed to connect to bus: No medium found",
        "Failed to connect to bus: Host is down",
        "System has not been booted with systemd as init system (PID 1). Can't operate.",
        "Failed to connect to user scope bus via local transport: No such file or directory",
        "`systemctl` is not installed or not on PATH",
    ],
)
def test_systemctl_without_a_systemd_is_recognised(said):
    assert no_manager(f"x\n{said}\n").message.endswith(said.rstrip("."))
    assert no_manager("Unit x.service could not be found.") is None


def test_without_a_manager_units_are_unknown_and_never_stopped():
    silent = replace(QUIET, listeners={}, processes={}, answers={})
    (only,) = found(silent)
    assert (only.code, only.severity) == ("operate.no-manager", "error")
    assert "`llmgen up --foreground`" in only.hint
    assert [row.state for row in services(EXPECTED, silent)] == ["unknown", "unknown"]
    assert next(models(PLAN, silent)).state == "unknown"


def test_without_a_manager_the_services_own_programs_are_seen():
    (only,) = found(QUIET)
    assert (only.code, only.severity) == ("operate.no-manager", "warning")
    assert [row.state for row in services(EXPECTED, QUIET)] == ["running", "running"]
    thief = Process(77, ("/usr/bin/nginx", "-g"), user="www")
    seen = replace(QUIET, listeners=QUIET.listeners | {8080: thief})
    assert [item.code for item in found(seen)] == ["operate.no-manager", "status.foreign-port"]


def test_without_a_manager_a_hidden_listener_is_not_accused():
    seen = replace(QUIET, listeners=QUIET.listeners | {8080: None})
    assert [item.code for item in found(seen)] == ["operate.no-manager"]


def test_stack_of_cron_is_judged_without_units():
    expected = [replace(item, unit="") for item in EXPECTED]
    own = {
        port: replace(item, foreground=name)
        for (port, item), name in zip(WELL.listeners.items(), ("model-a", "swap"), strict=True)
    }
    up = replace(WELL, units={}, listeners=own)
    assert [*findings(PLAN, expected, (), (FILE,), up)] == []
    down = replace(up, listeners={9001: own[9001]})
    (only,) = findings(PLAN, expected, (), (FILE,), down)
    assert (only.code, only.message) == ("status.down", "`swap` does not run")


GPU = Gpu("NVIDIA H200", 141 * 2**30, 5 * 2**20, 140 * 2**30)
ON_GPU = SimpleNamespace(
    library=SimpleNamespace(
        machine=SimpleNamespace(
            devices=[SimpleNamespace(key=f"gpu{i}", memory_bytes=2**30) for i in range(2)],
            process_overhead_bytes=2**10,
        )
    ),
    placements=PLAN.placements,
)


def test_device_memory_stands_beside_the_plan_of_what_runs():
    seen = replace(WELL, devices=(GPU,), device_memory={10: 3 * 2**20})
    always, demand = models(ON_GPU, seen)
    assert (always.device_memory, always.device_memory_planned) == (3 * 2**20, 2 * (2**20 + 2**10))
    assert demand.device_memory is None
    first, second = devices(ON_GPU, seen)
    assert (first.device, first.used, first.capacity) == ("gpu0", 5 * 2**20, 2**30)
    # Only the model that is ready counts; of the second device no driver tells.
    assert (first.planned, second.used) == (2**20 + 2**10, None)


def test_device_plan_is_unknown_while_the_engine_is_silent():
    assert [row.planned for row in devices(ON_GPU, replace(WELL, loaded=None))] == [None, None]
