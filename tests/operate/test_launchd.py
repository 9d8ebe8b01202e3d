"""Agents are driven by launchctl; a recording stand-in takes its place, since no Mac is here."""

import plistlib
from pathlib import Path, PurePosixPath

import pytest

from llmgen.apply.changes import NO_WAYS
from llmgen.artifacts import Artifact
from llmgen.config.tables.hardware import Paths
from llmgen.layout import layout
from llmgen.operate.installation import installed_stack as operate
from llmgen.operate.installation.install import perform, prepare
from llmgen.operate.managers.launchd import Launchd
from llmgen.operate.programs import ProgramResult
from llmgen.operate.site import Site, installed
from llmgen.operate.status import look

LABEL = "org.llmgen.swap"
PRINTED = "gui/501/org.llmgen.swap = {\n\tactive count = 1\n\tstate = running\n\truns = 3\n\tpid = 42\n}\n"


class Launchctl:
    """Knows which labels are bootstrapped, and records every command."""

    def __init__(self, monkeypatch):
        self.words, self.known = [], set()
        for module in ("installation.installed_stack", "status.look", "installation.install"):
            monkeypatch.setattr(f"llmgen.operate.{module}.run", self.run)
        for module in ("installation.installed_stack", "installation.install"):
            monkeypatch.setattr(f"llmgen.operate.{module}.must", self.must)

    def run(self, words, **_):
        assert words[0] == "launchctl"
        label = words[-1].rsplit("/", 1)[-1].removesuffix(".plist")
        if words[1] == "print":
            return (
                ProgramResult(0, PRINTED, "")
                if label in self.known
                else ProgramResult(113, "", "no")
            )
        self.words.append(" ".join(words[1:]))
        if words[1] == "bootstrap":
            if label in self.known:
                return ProgramResult(5, "", "Bootstrap failed: 5: Input/output error")
            self.known.add(label)
        if words[1] == "bootout":
            if label not in self.known:
                return ProgramResult(3, "", "Boot-out failed: 3: No such process")
            self.known.discard(label)
        return ProgramResult(0, "", "")

    def must(self, words):
        done = self.run(words)
        assert done.ok, (words, done.errors)
        return done.output


@pytest.fixture
def launchctl(monkeypatch):
    return Launchctl(monkeypatch)


@pytest.fixture
def mac(tmp_path):
    place = layout(Paths(home=str(tmp_path)), "user")
    return Site(place, "macos", Path("/"), tmp_path / "state", uid=501)


def plist(mac, **more):
    path = mac.folder / f"{LABEL}.plist"
    job = {"Label": LABEL, "ProgramArguments": ["/bin/llama-swap", "-config", "/x.yaml"], **more}
    return installed([Artifact(PurePosixPath("a"), plistlib.dumps(job), "launchd", install=path)])


def install(mac, wanted):
    perform(mac, prepare(mac, wanted, NO_WAYS), reason="x", drain=lambda: None)


def test_agent_is_bootstrapped_rewritten_and_booted_out(launchctl, mac):
    target, folder = f"gui/501/{LABEL}", mac.folder
    install(mac, plist(mac))
    assert launchctl.words == [f"enable {target}", f"bootstrap gui/501 {folder}/{LABEL}.plist"]
    launchctl.words.clear()
    install(mac, plist(mac, RunAtLoad=True))
    assert launchctl.words == [
        f"enable {target}",
        f"bootout {target}",
        f"bootstrap gui/501 {folder}/{LABEL}.plist",
    ]
    launchctl.words.clear()
    install(mac, {})
    assert launchctl.words == [f"bootout {target}"]
    assert launchctl.known == set()


def test_agent_that_was_booted_out_by_hand_is_installed_all_the_same(launchctl, mac):
    install(mac, plist(mac))
    launchctl.known.clear()
    install(mac, plist(mac, RunAtLoad=True))
    assert launchctl.known == {LABEL}


def test_up_and_down_twice_change_nothing_more(launchctl, mac):
    install(mac, plist(mac))
    units = operate.chosen(mac, ())
    launchctl.words.clear()
    operate.start(mac, units)
    assert launchctl.words == [f"kickstart gui/501/{LABEL}"]
    operate.stop(mac, units)
    operate.stop(mac, units)
    operate.start(mac, units)
    assert launchctl.words[1:] == [
        f"bootout gui/501/{LABEL}",
        f"bootstrap gui/501 {mac.folder}/{LABEL}.plist",
    ]


@pytest.mark.parametrize("name", [LABEL, "swap"])
def test_agents_are_found_by_label_and_by_service(launchctl, mac, name):
    install(mac, plist(mac))
    assert [unit.name for unit in operate.chosen(mac, [name])] == [LABEL]


def test_state_is_read_from_print(launchctl, mac):
    launchctl.known.add(LABEL)
    states = look.unit_states(Launchd("user", 501), [LABEL, "org.llmgen.none"])
    assert (states[LABEL].state, states[LABEL].pid, states[LABEL].restarts) == ("running", 42, 2)
    assert not states["org.llmgen.none"].is_loaded
