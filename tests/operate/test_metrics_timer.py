"""The timer that writes figures for node_exporter: systemd takes it, launchd's is a list."""

import plistlib
import subprocess
from pathlib import Path, PurePosixPath

import pytest
import readers
from targets import plans

from llmgen.operate.installation.units import units
from llmgen.operate.managers.metrics_timer import is_of_metrics, metrics_timer
from llmgen.render.environment import make_render

TEXT = '[targets.prometheus]\ntextfiles = "/var/lib/node exporter"\n[models.a]\nmodel = "a.gguf"\n'
SYSTEM = '[services]\nscope = "system"\n'
CONFIGS = [Path("/srv/my stack/llm.toml")]


def made(text=TEXT, head=plans.HEAD):
    return [*metrics_timer(plans.plan(text, head=head), CONFIGS, make_render())]


def test_without_a_folder_there_is_none():
    assert made('[models.a]\nmodel = "a.gguf"\n') == []


@pytest.mark.reader("systemd-analyze")
@pytest.mark.parametrize("scope", ["", SYSTEM])
def test_systemd_takes_the_timer(tmp_path, scope):
    for item in made(scope + TEXT):
        text = item.content.decode().replace("/usr/local/bin/llmgen", "/bin/true")
        (tmp_path / item.path.name).write_text(text)
    (tmp_path / "llmgen.target").write_text("[Unit]\n")
    done = subprocess.run(
        [readers.find("systemd-analyze"), "verify", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "llmgen" in line]
    assert (done.returncode, said) == (0, [])


def test_the_timer_starts_and_its_service_does_not():
    found = made()
    known = units(found, PurePosixPath("/home/llm/.config/systemd/user"))
    assert {name: unit.starts for name, unit in known.items()} == {
        "llmgen-metrics.service": False,
        "llmgen-metrics.timer": True,
    }
    assert all(map(is_of_metrics, found))


def test_the_file_is_in_the_folder_that_node_exporter_reads():
    (service,) = (item for item in made() if item.path.suffix == ".service")
    line = '"/srv/my stack/llm.toml" status --prometheus -o "/var/lib/node exporter/llmgen.prom"'
    assert line in service.content.decode()


def test_root_may_write_there_alone():
    service, _ = made(SYSTEM + TEXT)
    text = service.content.decode()
    assert "ProtectSystem=strict\n" in text
    assert 'ReadWritePaths="-/var/lib/node exporter"\n' in text


def test_on_a_mac_it_is_an_agent():
    head = plans.HEAD.replace('os = "linux"', 'os = "macos"').replace('"vulkan"', '"metal"')
    (agent,) = made(head=head)
    job = plistlib.loads(agent.content)
    assert job["StartInterval"] == 60
    assert job["ProgramArguments"][-1] == "/var/lib/node exporter/llmgen.prom"
