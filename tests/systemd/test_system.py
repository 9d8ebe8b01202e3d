"""Units of the system that llmgen installed, under a real systemd."""

import pytest
from booted import until

MODEL, SWAP, TARGET = "llmgen-model-always.service", "llmgen-swap.service", "llmgen.target"
ENVOY = "llmgen-envoy.service"
WITH_ENVOY = True

pytestmark = [pytest.mark.reader("systemd-analyze"), pytest.mark.reader("llama-swap")]


def test_units_start_and_serve(system):
    assert system.chat(system.values["always"], "always")["choices"]
    assert system.chat(system.values["swap"], "gpt-one")["model"]
    assert system.booted.show(TARGET, "ActiveState") == "active"


@pytest.mark.reader("envoy")
def test_gateway_starts_after_its_backends(system):
    booted = system.booted
    booted.must("systemctl", "stop", TARGET)
    booted.must("systemctl", "start", TARGET)
    until(lambda: system.chat(system.values["first"] + 7, "gpt-one"))
    gateway = int(booted.show(ENVOY, "InactiveExitTimestampMonotonic"))
    for backend in (MODEL, SWAP):
        assert int(booted.show(backend, "ActiveEnterTimestampMonotonic")) <= gateway


def test_guards_timer_runs_the_check(system):
    booted = system.booted
    assert booted.show("llmgen-guard.timer", "ActiveState") == "active"
    until(lambda: "memory is" in booted.must("journalctl", "--unit", "llmgen-guard", "-o", "cat"))
    assert booted.show("llmgen-guard.service", "Result") == "success"


def test_gate_keeps_a_unit_from_starting(system):
    booted = system.booted
    text = (system.outside / "llm.toml").read_text()
    text = text.replace('memory = "16GiB"', 'memory = "999TiB"')
    (system.outside / "gate.toml").write_text(text.replace("cache_ram = 0", 'cache_ram = "20TiB"'))
    drop = booted.path(f"/run/systemd/system/{MODEL}.d")
    drop.mkdir(parents=True)
    for name, state, result in (
        ("gate", "inactive", "exec-condition"),
        ("llm", "active", "success"),
    ):
        words = f"/opt/llmgen -c /opt/stack/{name}.toml guard --gate always"
        (drop / "gate.conf").write_text(f"[Service]\nExecCondition={words}\n")
        booted.must("systemctl", "daemon-reload")
        booted.must("systemctl", "restart", MODEL)
        assert booted.show(MODEL, "ActiveState") == state
        assert booted.show(MODEL, "Result") == result
    (drop / "gate.conf").unlink()
    drop.rmdir()
    booted.must("systemctl", "daemon-reload")
    until(lambda: system.is_up(system.values["always"]))


def test_killed_server_comes_back(system):
    old = system.pid(MODEL)
    system.booted.must("kill", "-9", old)
    until(lambda: system.pid(MODEL) not in ("0", old))
    until(lambda: system.is_up(system.values["always"]))
    assert int(system.booted.show(MODEL, "NRestarts")) == 1


def test_up_names_a_server_that_ends_again_and_again(system):
    drop = system.booted.path(f"/run/systemd/system/{MODEL}.d/x.conf")
    drop.parent.mkdir(parents=True)
    drop.write_text("[Service]\nExecStart=\nExecStart=/bin/sh -c 'exit 7'\n")
    system.booted.must("systemctl", "daemon-reload")
    system.must("down", "always")
    found = system.llmgen("up", "always", "--wait")
    drop.unlink()
    drop.parent.rmdir()
    system.booted.must("systemctl", "daemon-reload")
    (told,) = found["diagnostics"]
    assert (found["exit_code"], told["code"]) == (4, "operate.not-ready")
    assert "it exited with code 7" in told["message"]
    assert told["hint"].startswith("`llmgen logs model-always`")
    assert system.must("logs", "model-always")["lines"]
    assert system.must("up", "always", "--wait")["ready"]


def test_units_stop_in_time(system):
    system.must("down")
    for unit in (MODEL, SWAP):
        assert system.booted.show(unit, "ActiveState") == "inactive"
        # A stop that needed SIGKILL is a `timeout`.
        assert system.booted.show(unit, "Result") == "success"
    assert system.must("up", "--wait")["ready"]
    assert system.is_up(system.values["swap"])
    assert system.is_up(system.values["always"])


def test_memory_limit_is_the_plans_and_is_kept(system):
    booted = system.booted
    limit = booted.show(MODEL, "MemoryMax")
    wanted = [
        line for line in booted.must("systemctl", "cat", MODEL).splitlines() if "MemoryMax=" in line
    ]
    assert int(limit) == int(wanted[0].removeprefix("MemoryMax=").removesuffix("M")) * 2**20
    booted.must("systemctl", "set-property", "--runtime", MODEL, "MemoryMax=4M")
    booted.run("systemctl", "restart", MODEL)
    # The kernel's kill is seen as such with cgroup2 only.
    until(lambda: booted.show(MODEL, "Result") in ("oom-kill", "signal"))
    booted.must("systemctl", "revert", MODEL)
    system.must("restart", "always")
    until(lambda: system.is_up(system.values["always"]))


def test_limit_counts_what_would_be_swapped_out(system):
    show = system.booted.must("systemctl", "show", "-pMemorySwapMax", "--value", MODEL)
    assert show.strip() == "0"


def test_disabled_services_run_on_and_are_enabled_again(system):
    booted, pid = system.booted, system.pid(MODEL)
    assert MODEL in system.must("disable")["disabled"]
    assert booted.show(MODEL, "UnitFileState") == booted.show(TARGET, "UnitFileState") == "disabled"
    assert system.pid(MODEL) == pid
    found = system.llmgen("status")
    (told,) = [
        item
        for item in found["diagnostics"]
        if item["code"] == "status.not-enabled" and MODEL in item["message"]
    ]
    assert told["hint"] == "`llmgen enable model-always`"
    assert system.must("enable", "model-always") == {"enabled": [MODEL]}
    assert booted.show(MODEL, "UnitFileState") == "enabled"
    system.must("enable")
    assert "status.not-enabled" not in {
        item["code"] for item in system.llmgen("status")["diagnostics"]
    }


def test_logs_since_a_time_and_since_the_machine_started(system):
    assert any("listening" in line for line in system.must("logs", "always", "--boot")["lines"])
    assert system.must("logs", "always", "--since", "2 hours ago")["lines"]
    late = system.must("logs", "always", "--since", "2099-01-01")["lines"]
    assert not any("listening" in line for line in late)
    assert system.llmgen("logs", "--since", "when pigs fly")["exit_code"] == 4


def test_second_install_restarts_nothing(system):
    before = system.pid(MODEL), system.pid(SWAP)
    data = system.must("install")
    assert (data["changes"], data["steps"], data["generation"]) == ([], [], None)
    assert (system.pid(MODEL), system.pid(SWAP)) == before


def test_only_what_changed_restarts_and_rollback_brings_it_back(system):
    others, model = [system.pid(unit) for unit in (SWAP, ENVOY)], system.pid(MODEL)
    # So much context that the unit's limit, which is in whole MiB, is another one, too.
    system.edit('model = "a.gguf"\n', 'model = "a.gguf"\nctx_size = 4096\n')
    planned = [step["command"] for step in system.must("install", "--dry-run")["steps"]]
    assert {words[-1] for words in planned} == {"daemon-reload", MODEL}
    system.must("install")
    until(lambda: system.is_up(system.values["always"]))
    assert [system.pid(unit) for unit in (SWAP, ENVOY)] == others
    assert system.pid(MODEL) != model
    props = system.get(system.values["always"], "/props")
    assert props["default_generation_settings"]["n_ctx"] == 4096
    system.must("rollback")
    until(lambda: system.is_up(system.values["always"]))
    props = system.get(system.values["always"], "/props")
    assert props["default_generation_settings"]["n_ctx"] == 512
    reasons = [row["reason"] for row in system.must("generations")["generations"]]
    assert [reason.split(" to ")[0] for reason in reasons[-2:]] == ["install", "rollback"]
    system.edit('model = "a.gguf"\nctx_size = 4096\n', 'model = "a.gguf"\n')


def test_llama_swap_is_emptied_before_its_file_changes(system):
    assert system.chat(system.values["swap"], "two")
    system.edit('model = "c.gguf"\n', 'model = "c.gguf"\nttl = 77\n')
    commands = [step["command"] for step in system.must("install", "--dry-run")["steps"]]
    assert commands[0] == ["llmgen", "unload", "--all"]
    system.must("install")
    until(lambda: system.is_up(system.values["swap"]))
    assert system.get(system.values["swap"], "/running") == {"running": []}
    log = system.booted.must("journalctl", "--unit", SWAP, "-o", "cat")
    assert log.rindex("/api/models/unload") < log.rindex("listening on")


def test_what_install_goes_by_is_roots_alone(system):
    """systemd gives all of /var/lib/llmgen to the services' user, who could say what root writes."""
    below = ("/var/lib/llmgen", "/var/lib/llmgen-install")
    owners = system.booted.must("find", *below, "-maxdepth", "1", "-printf", "%p %u\\n")
    found = dict(line.split() for line in owners.splitlines())
    assert found.pop("/var/lib/llmgen") == "llm"
    assert found.pop("/var/lib/llmgen-install/ledger.json") == "root"
    assert {user for path, user in found.items() if "install" in path} == {"root"}


def test_edited_unit_is_a_conflict_and_stays(system):
    unit = system.booted.path(f"/etc/systemd/system/{MODEL}")
    text = unit.read_text()
    unit.write_text(text + "# mine\n")
    found = system.llmgen("uninstall")
    assert (found["exit_code"], found["diagnostics"][0]["code"]) == (6, "apply.conflict")
    assert system.is_up(system.values["always"])
    unit.write_text(text)


@pytest.mark.reader("envoy")
def test_keys_are_in_a_private_folder_alone_and_go_with_the_stack(system):
    booted = system.booted
    folders = booted.must("find", "/run/llmgen", "-type", "d", "-printf", "%p %m %u\n").splitlines()
    assert sorted(folders) == ["/run/llmgen 700 llm", "/run/llmgen/envoy 700 llm"]
    places = (
        "/etc",
        "/var/lib/llmgen",
        "/var/lib/llmgen-install",
        "/var/log",
        "/run/llmgen",
        "/run/log",
        "/home",
    )
    assert system.holding_the_key(*places) == {"/run/llmgen/envoy/rds.yaml"}
    steps = [step["command"] for step in system.must("uninstall", "--dry-run")["steps"]]
    assert ["rm", "-r", "--", "/run/llmgen/envoy"] in steps
    system.must("uninstall")
    assert not system.is_there("/run/llmgen")
    assert system.holding_the_key(*places) == set()
    system.must("rollback")
    until(lambda: system.is_up(system.values["always"]))
    assert system.is_there("/run/llmgen/envoy")


@pytest.mark.reader("envoy")
def test_keys_of_a_gateway_that_is_no_longer_wanted_go(system):
    system.edit("[gateway.envoy]\nenable = true", "[gateway.envoy]\nenable = false")
    system.must("install")
    assert not system.is_there("/run/llmgen")
    system.must("rollback")
    until(lambda: system.is_there("/run/llmgen/envoy"))
    system.edit("[gateway.envoy]\nenable = false", "[gateway.envoy]\nenable = true")


def test_uninstall_leaves_nothing_running_and_nothing_foreign_touched(system):
    booted = system.booted
    mine = booted.path("/etc/llmgen/mine.conf")
    mine.write_text("x")
    system.must("uninstall")
    assert booted.run("systemctl", "list-unit-files", "llmgen*", "--no-legend").stdout == ""
    assert (
        booted.must("systemctl", "list-units", "--all", "llmgen*", "--no-legend", "--plain") == ""
    )
    assert booted.run("pgrep", "-f", "/opt/stack/models").returncode == 1
    assert [path.name for path in booted.path("/etc/llmgen").rglob("*")] == ["mine.conf"]
    system.must("rollback")
    until(lambda: system.is_up(system.values["always"]))
