"""systemd's own tools accept every unit, and system units are locked in."""

import fnmatch
import re
import subprocess

import plans
import pytest
import readers
from readers.systemd_syntax import split_exec_start

from llmgen.operate.site import SYSTEM_STATE
from llmgen.render.environment import make_render
from llmgen.targets import launchd, systemd
from llmgen.targets.launch import launch
from llmgen.targets.services import services

SYSTEM = plans.STACK.replace("[services]\n", '[services]\nscope = "system"\n', 1)
# Folders as no sensible person calls them.
ODD_HEAD = (
    plans.HEAD
    + """
config = '/srv/my %h "conf" [a]*/$HOME'
state = "/srv/my %h 'state'"
runtime = "/srv/run time\\\\%n"
"""
)
KEYS = """
[guard]
enable = true
"""


def units(text=plans.STACK, **more):
    return {
        item.path.name: item.content.decode()
        for item in systemd.artifacts(plans.plan(text + KEYS, **more), make_render())
    }


def section(text, name):
    body = text.split(f"[{name}]\n", 1)[1].split("\n[", 1)[0]
    return [tuple(line.split("=", 1)) for line in body.strip().splitlines()]


def value(text, key):
    return dict(section(text, "Service"))[key]


@pytest.fixture
def folder(tmp_path):
    """Units whose programs exist, so that `verify` has nothing else to say."""

    def write(found):
        for name, text in found.items():
            runnable = re.sub(
                r"^(Exec\w+=)/usr/local/bin/\S+", r"\1/bin/true", text, flags=re.MULTILINE
            )
            (tmp_path / name).write_text(runnable)
        return tmp_path

    return write


def complaints(folder, scope, text, head):
    """What systemd itself says about the units."""
    found = folder(units(text, head=head))
    done = subprocess.run(
        [
            readers.find("systemd-analyze"),
            "verify",
            f"--{scope}",
            "--man=no",
            "--generators=no",
            *sorted(found.iterdir()),
        ],
        capture_output=True,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "SYSTEMD_UNIT_PATH": f"{found}:",
            "XDG_RUNTIME_DIR": str(found),
            "HOME": str(found),
        },
        check=False,
    )
    return [line for line in done.stderr.splitlines() if str(found) in line or "llmgen" in line]


@pytest.mark.reader("systemd-analyze")
@pytest.mark.parametrize(("scope", "text"), [("system", SYSTEM), ("user", plans.STACK)])
def test_every_unit_is_accepted(folder, scope, text):
    assert complaints(folder, scope, text, plans.HEAD) == []


@pytest.mark.reader("systemd-analyze")
@pytest.mark.parametrize(("scope", "text"), [("system", SYSTEM), ("user", plans.STACK)])
def test_folders_of_odd_names_are_accepted(folder, scope, text):
    assert complaints(folder, scope, text, ODD_HEAD) == []


def test_environment_file_is_a_bare_path_that_matches_itself_alone():
    unit = units(SYSTEM, head=ODD_HEAD)["llmgen-model-embed.service"]
    # systemd.exec(5): no quotes, specifiers, and patterns of glob(7).
    files = [text for key, text in section(unit, "Service") if key == "EnvironmentFile"]
    pattern = files[0].replace("%%", "%")
    wanted = """/srv/my %h "conf" [a]*/$HOME/llama-server/embed.conf"""
    assert pattern.replace("\\", "") == wanted
    assert fnmatch.fnmatchcase(wanted, re.sub(r"\\([*?\[])", r"[\1]", pattern))


def test_writable_folders_are_one_word_each():
    unit = units(SYSTEM, head=ODD_HEAD)["llmgen-envoy.service"]
    given = [text for key, text in section(unit, "Service") if key == "ReadWritePaths"]
    assert [split_exec_start(text) for text in given] == [
        ["-/srv/my %h 'state'"],
        ["-/srv/run time\\%n"],
    ]


@pytest.mark.reader("systemd-analyze")
@pytest.mark.parametrize("backend", ["cuda", "rocm", "vulkan", "cpu"])
def test_system_units_are_exposed_4_at_most(folder, backend):
    head = plans.HEAD.replace('"vulkan"', f'"{backend}"')
    if backend == "cpu":
        head = re.sub(r"devices = .*", "devices = []", head)
    found = folder(units(SYSTEM, head=head))
    for path in sorted(found.glob("*.service")):
        done = subprocess.run(
            [readers.find("systemd-analyze"), "security", "--offline=yes", "--threshold=40", path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("text", [SYSTEM, plans.STACK])
def test_start_limits_are_where_systemd_reads_them(text):
    for name, unit in units(text).items():
        if name.endswith(".service") and name != "llmgen-guard.service":
            keys = [key for key, _ in section(unit, "Unit")]
            assert {"StartLimitIntervalSec", "StartLimitBurst"} <= {*keys}
            assert not any(key.startswith("StartLimit") for key, _ in section(unit, "Service"))


def test_gateways_start_after_their_backends():
    after = [
        value for key, value in section(units()["llmgen-envoy.service"], "Unit") if key == "After"
    ]
    assert after == [
        "network.target",
        "llmgen-model-embed.service",
        "llmgen-model-rank.service",
        "llmgen-swap.service",
    ]


def test_everything_belongs_to_the_target():
    found = units()
    for name, unit in found.items():
        if name not in ("llmgen.target", "llmgen-guard.service"):
            assert ("WantedBy", "llmgen.target") in section(unit, "Install")
            assert ("PartOf", "llmgen.target") in section(unit, "Unit")


def test_memory_limit_is_the_worst_host_side_of_any_state():
    alone = int(value(units()["llmgen-swap.service"], "MemoryMax")[:-1])
    pair = [("big", "small/coder")]
    both = int(value(units(together=pair)["llmgen-swap.service"], "MemoryMax")[:-1])
    # 121 MiB and 1 GiB of slack for each server; 512 MiB for llama-swap itself.
    assert (alone, both) == (121 + 1024 + 512, 2 * (121 + 1024) + 512)


def test_device_memory_is_not_in_the_limit():
    assert value(units()["llmgen-model-embed.service"], "MemoryMax") == f"{121 + 1024}M"


def test_locked_weights_get_their_limit():
    assert value(units()["llmgen-swap.service"], "LimitMEMLOCK") == "infinity"
    assert "LimitMEMLOCK" not in units()["llmgen-model-embed.service"]


def test_no_limit_when_llm_toml_wants_none():
    text = plans.STACK.replace("[services]\n", "[services]\nmemory_max = false\n", 1)
    assert not any("MemoryMax" in unit for unit in units(text).values())


def test_secret_file_is_a_credential_of_a_system_unit():
    unit = units(SYSTEM)["llmgen-swap.service"]
    loaded = [text for key, text in section(unit, "Service") if key == "LoadCredential"]
    assert loaded == ["LLMGEN_SECRET_ETC_TOKEN:/etc/token"]
    script = split_exec_start(value(unit, "ExecStart"))[2]
    assert '"$CREDENTIALS_DIRECTORY"/LLMGEN_SECRET_ETC_TOKEN' in script


@pytest.mark.parametrize("credentials", [True, False])
def test_wrapped_command_has_its_secrets(tmp_path, credentials):
    """The words of ExecStart, run for real, with `env` in the place of the program."""
    (tmp_path / "TOKEN").write_text("from file\nnot this\n")
    (tmp_path / "cred").write_text("no end of line")
    text = f"""
[models.a]
model = "a.gguf"
role = "embedding"
environment = {{ TOKEN = {{ file = "{tmp_path}/TOKEN" }}, KEY = {{ credential = "cred" }}, HERE = {{ env = "THERE" }} }}
"""
    plan = plans.plan(text)
    words = [*launch(services(plan)[0], plan.library.layout, credentials=credentials)]
    words[words.index("/usr/local/bin/llama-server") :] = ["/usr/bin/env"]
    done = subprocess.run(
        words,
        env={"CREDENTIALS_DIRECTORY": str(tmp_path), "THERE": "from $env"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert {"TOKEN=from file", "KEY=no end of line", "HERE=from $env"} <= {*lines}


def test_missing_secret_stops_the_start(tmp_path):
    plan = plans.plan(plans.STACK)
    words = launch(services(plan)[0], plan.library.layout, credentials=True)
    done = subprocess.run(words, env={}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "SERVER_KEY" in done.stderr


def test_units_are_installed_where_their_system_has_them():
    here = {item.install for item in systemd.artifacts(plans.plan(), make_render())}
    assert all(str(path).startswith("/home/llm/.config/systemd/user/") for path in here)
    head = plans.HEAD.replace('"linux"', '"macos"').replace('"vulkan"', '"metal"')
    there = [item.install for item in systemd.artifacts(plans.plan(head=head), make_render())]
    assert set(there) == {None}
    agents = [item.install for item in launchd.artifacts(plans.plan(head=head), make_render())]
    assert all(str(path).startswith("/home/llm/Library/LaunchAgents/") for path in agents)


def test_no_service_can_write_what_install_goes_by():
    given = [
        f"/var/lib/{text}" if key == "StateDirectory" else text.removeprefix("-")
        for unit in units(SYSTEM).values()
        if "[Service]" in unit
        for key, text in section(unit, "Service")
        if key in ("StateDirectory", "ReadWritePaths")
    ]
    assert set(given) == {"/var/lib/llmgen"}
    assert not any(SYSTEM_STATE.is_relative_to(path) for path in given)


LOCAL = """
[services]
scope = "system"
[services.llama_swap]
listen = "127.0.0.1"
[models.always]
model = "a.gguf"
keep = "always"
[models.demand]
model = "b.gguf"
"""


@pytest.mark.parametrize(
    ("old", "new", "kept_in"),
    [
        ("", "", ["llmgen-model-always.service", "llmgen-swap.service"]),
        ('"127.0.0.1"', '"0.0.0.0"\napi_keys = [{ env = "K" }]', ["llmgen-model-always.service"]),
        ('"b.gguf"', '"b.gguf"\nextra_args = ["--webui-mcp-proxy"]', ["llmgen-model-always.service"]),
        ('"a.gguf"', '"a.gguf"\nrole = "vision"\nmmproj = "mmproj.gguf"', ["llmgen-swap.service"]),
    ],
    ids=["plain", "open", "free words", "pictures"],
)  # fmt: skip
def test_servers_reach_no_other_machine_unless_they_have_to(old, new, kept_in):
    found = units(LOCAL.replace(old, new) if old else LOCAL)
    denied = [
        name
        for name, unit in found.items()
        if "[Service]" in unit and ("IPAddressDeny", "any") in section(unit, "Service")
    ]
    assert denied == kept_in


def test_what_is_limited_is_not_swapped_out_instead():
    for name, unit in units().items():
        if not name.endswith(".service"):
            continue
        keys = [key for key, _ in section(unit, "Service")]
        assert ("MemoryMax" in keys) == ("MemorySwapMax" in keys)
    assert value(units()["llmgen-model-embed.service"], "MemorySwapMax") == "0"
