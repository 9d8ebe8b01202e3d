"""Quadlets of a stack: what podman's generator makes of them, and what systemd says to that."""

from pathlib import PurePosixPath

import pytest
from containers_judged import generated, verified
from targets import plans

from llmgen.render.environment import make_render
from llmgen.targets import quadlet, systemd
from llmgen.targets.containers.derive import containers
from llmgen.targets.selection import selected

RUNTIME = '[services]\nruntime = "quadlet"\n'
STACK = plans.STACK.replace("[services]\n", RUNTIME)
PAGE = """
[apps.open_webui]
enable = true
api_key = { credential = "page" }
secret_key = { file = "page.key" }
"""


def files(text=STACK, head=plans.HEAD):
    plan = plans.plan(text, head=head)
    return {item.path.name: item for item in quadlet.artifacts(plan, make_render())}


def lines(found, name):
    return found[name].content.decode().splitlines()


def values(found, name, key):
    return [line.partition("=")[2] for line in lines(found, name) if line.startswith(f"{key}=")]


@pytest.mark.reader("quadlet")
@pytest.mark.parametrize("podman", ["5.0", "5.4"])
@pytest.mark.parametrize("scope", ["user", "system"])
def test_the_generator_and_systemd_take_them(scope, podman, tmp_path):
    """What an older podman is told, a newer one takes as well."""
    text = STACK.replace("[services]\n", f'[services]\nscope = "{scope}"\n')
    text += f'[containers]\npodman = "{podman}"\n[guard]\nenable = true\ngate = true\n' + PAGE
    plan = plans.plan(text)
    made = generated(plan, tmp_path)
    services = {path.stem for path in made.glob("*.service")}
    assert {f"llmgen-{item.name}" for item in containers(plan, PurePosixPath("/x"))} <= services
    assert not verified(made)


def test_a_container_is_locked_in_and_waits_until_it_answers():
    found = files()
    for name in (name for name in found if name.endswith(".container")):
        told = lines(found, name)
        for line in ("ReadOnly=true", "NoNewPrivileges=true", "DropCapability=all"):
            assert line in told
        assert "Notify=healthy" in told
        assert not [line for line in told if line.startswith("AutoUpdate")]


def test_an_older_podman_gets_options_for_the_keys_that_it_lacks():
    old, new = (files(STACK + f'[containers]\npodman = "{v}"\n') for v in ("5.0", "5.5"))
    name = "llmgen-swap.container"
    assert [line for line in lines(new, name) if line.startswith("Memory=")]
    options = values(old, name, "PodmanArgs")
    assert any(line.startswith("--memory ") for line in options)
    assert "--network-alias swap" in options
    assert "--memory-swap" in " ".join(values(new, name, "PodmanArgs"))


def test_envoy_lets_running_answers_finish():
    (stop,) = values(files(), "llmgen-envoy.container", "ExecStop")
    script = "/bin/sh /etc/llmgen/envoy/drain.sh"
    assert stop == f"-/usr/bin/podman exec llmgen-envoy {script}"
    found = files()["drain.sh"].content.decode()
    assert "curl -" not in found
    assert "/dev/tcp/127.0.0.1/9901" in found


def test_only_the_front_is_published():
    found = files()
    ports = {name: values(found, name, "PublishPort") for name in found}
    assert {name: told for name, told in ports.items() if told} == {
        "llmgen-envoy.container": ["127.0.0.1:4001:4001"]
    }


def test_keys_are_filled_before_and_no_value_is_told():
    found = files()
    before = values(found, "llmgen-swap.container", "ExecStartPre")
    assert before == ["/usr/local/bin/llmgen keys /home/llm/.config/llmgen/secrets/swap/keys.json"]
    told = values(found, "llmgen-swap.container", "Environment")
    assert not [line for line in told if line.startswith(("SERVER_KEY", "TOKEN"))]


def test_a_users_containers_run_as_that_user():
    assert values(files(), "llmgen-swap.container", "UserNS") == ["keep-id:uid=1000,gid=1000"]
    system = files(STACK.replace("[services]\n", '[services]\nscope = "system"\n'))
    assert values(system, "llmgen-swap.container", "UserNS") == []
    assert values(system, "llmgen-swap.container", "User") == ["1000"]


def test_the_runtime_decides_which_files_are_written_and_where():
    names = {target.NAME for target in selected(plans.plan(STACK))}
    assert names == {"quadlet", "systemd", "clients", "docs", "proof"}
    found = files()
    places = {str(item.install.parent) for item in found.values()}
    assert "/home/llm/.config/containers/systemd" in places
    assert "/home/llm/.config/llmgen/envoy" in places


def test_what_is_no_container_stays_a_unit():
    plan = plans.plan(STACK + "[guard]\nenable = true\n")
    names = {item.path.name for item in systemd.artifacts(plan, make_render())}
    assert names == {"llmgen.target", "llmgen-guard.service", "llmgen-guard.timer"}


@pytest.mark.parametrize("scope", ["user", "system"])
def test_the_guards_unit_may_ask_podman(scope):
    """Namespaces and root are what podman needs; neither is the guard's where nothing is contained."""
    guarded = f'[services]\nscope = "{scope}"\n'
    text = STACK.replace("[services]\n", guarded) + "[guard]\nenable = true\n"
    (unit,) = (
        item.content.decode()
        for item in systemd.artifacts(plans.plan(text), make_render())
        if item.path.name == "llmgen-guard.service"
    )
    assert not any(word in unit for word in ("User=", "RestrictNamespaces", "NoNewPrivileges"))
