"""llmgen on another host, by a real sshd on loopback: it runs there, and nothing of it stays."""

import json
import os
import signal
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ssh_server import QUICK, within

from llmgen import __version__
from llmgen.errors import InputError
from llmgen.remote.connection import HostBounds
from llmgen.remote.host import Host
from llmgen.remote.openssh import LINE
from llmgen.remote.run import run

pytestmark = pytest.mark.reader("sshd")
FILES = {"llm.toml": b'edition = 2\nhardware.profile = "nvidia-24gb"\npaths.home = "/home/ai"\n'}
WORDS = ("-c", "llm.toml", "check", "--json")
OTHER_SHELLS = ("bash", "zsh", "fish", "tcsh")
PASS_ON = 'exec sh -c "$SSH_ORIGINAL_COMMAND"'


def refused(host, bounds=QUICK, words=WORDS):
    with pytest.raises(InputError) as error:
        run(host, words, FILES, bounds=bounds)
    (found,) = error.value.diagnostics
    assert f"`{host.name}`" in found.message
    assert found.hint
    assert found.message.isprintable()
    assert "\x1b" not in "".join(found.notes)
    return found


def test_command_runs_there_beside_its_files_and_leaves_nothing(server):
    done = run(server.host("studio"), WORDS, FILES, bounds=QUICK)
    found = done.document()
    assert (done.code, found["command"], found["status"]) == (0, "check", "ok")
    assert server.left() == []


def test_exit_code_and_both_streams_come_back(server):
    done = run(server.host("studio"), ("-c", "none.toml", "check"), FILES, bounds=QUICK)
    assert (done.code, done.output) == (4, b"")
    assert b"none.toml" in done.errors


# Words that mean something to one shell or another.
HARD = ("a b", "$HOME", "`id`", "'", '"', "\\", "\n", "*", "!x", "", "é", "-o", "--", ";id")


def shows(folder):
    """A program in llmgen's place, which shows the words and the files that have reached it."""
    path = folder / "shows"
    path.write_text(
        f"#!{sys.executable}\nimport json, sys, pathlib\n"
        "known = sys.argv[1:] == ['--version']\n"
        "files = {path.name: path.read_text() for path in pathlib.Path().iterdir()}\n"
        f"print('llmgen, version {__version__}' if known else json.dumps([sys.argv[1:], files]))\n"
    )
    path.chmod(0o755)
    return str(path)


def arrive(host, words=HARD):
    """Whether the words and the files come to that program as they are."""
    texts = {name: data.decode() for name, data in FILES.items()}
    return json.loads(run(host, words, FILES, bounds=QUICK).output) == [[*words], texts]


def test_words_reach_the_program_as_they_are(server, tmp_path):
    assert arrive(server.host("studio", llmgen=shows(tmp_path)))


def test_this_machine_is_a_host_without_ssh(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = run(Host("here"), WORDS, FILES, bounds=QUICK)
    assert done.document()["status"] == "ok"
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "shell",
    ["sh", *(pytest.param(name, marks=pytest.mark.reader(name)) for name in OTHER_SHELLS)],
)
def test_line_is_the_same_to_every_login_shell(shell, monkeypatch, tmp_path):
    class Through(Host):
        def words(self, *, connect_seconds):
            del connect_seconds
            return (shell, "-c", LINE)

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert arrive(Through("shell", None, shows(tmp_path)))


def test_what_a_login_shell_prints_first_is_passed_over(server, tmp_path):
    shell = f"echo Welcome; printf 'no line end'; {PASS_ON}"
    assert arrive(server.host("noisy", shell, shows(tmp_path)))


def python(folder, **options):
    """A Python without llmgen, in front of the others."""
    venv.create(folder, with_pip=False, **options)
    return f"PATH={folder}/bin:$PATH; export PATH; {PASS_ON}"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The login shell with such a Python."""
    return python(tmp_path_factory.mktemp("python") / "bare")


def test_host_without_llmgen_gets_it_with_all_that_it_needs(server, bare):
    host = server.host("bare", bare, "")
    assert run(host, WORDS, FILES, bounds=QUICK).document()["status"] == "ok"
    assert server.left() == []


@pytest.mark.thorough
def test_host_with_the_packages_gets_the_rest(server, tmp_path):
    shell = python(tmp_path / "packages")
    (mine,) = Path(sys.prefix).glob("lib/python*/site-packages")
    (theirs,) = tmp_path.glob("packages/lib/python*/site-packages")
    # The packages, without the .pth file of a checkout.
    (theirs / "packages.pth").write_text(f"{mine}\n")
    packages = server.host("packages", shell, "")
    assert run(packages, WORDS, FILES, bounds=QUICK).document()["status"] == "ok"
    assert server.left() == []


def program(folder, text):
    path = folder / "llmgen"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_other_version_is_refused_with_the_command_that_mends_it(server, tmp_path, bare):
    old = program(tmp_path, "echo llmgen, version 0.0.7")
    found = refused(server.host("old", bare, old))
    assert found.code == "remote.other-version"
    assert "has llmgen 0.0.7" in found.message
    assert f"llmgen=={__version__}" in found.hint
    assert server.left() == []


def test_llmgen_that_does_not_run_is_named(server, tmp_path, bare):
    broken = program(tmp_path, "exit 1")
    found = refused(server.host("broken", bare, broken))
    assert found.code == "remote.other-version"
    assert broken in found.message


def test_host_for_which_nothing_was_compiled_is_refused(server, bare, monkeypatch):
    monkeypatch.setattr("llmgen.remote.own_zip.TAG", "cpython-399")
    found = refused(server.host("mac", bare, ""))
    assert found.code == "remote.no-llmgen"
    assert f"llmgen=={__version__}" in found.hint


def test_host_without_python_is_told(server, tmp_path):
    (tmp_path / "empty").mkdir()
    shell = f"PATH={tmp_path}/empty; HOME=/nonexistent; {PASS_ON.replace('sh', '/bin/sh', 1)}"
    found = refused(server.host("tiny", shell))
    assert found.code == "remote.no-python"


def test_unknown_host_key_is_refused_and_not_learnt(server):
    known = server.folder / "known_hosts"
    known.write_text("")
    text = (server.folder / "ssh_config").read_text()
    for choice in ("no", "accept-new"):
        server.settings(f"{text}  StrictHostKeyChecking {choice}\n")
        found = refused(server.host(f"new-{choice}"))
        assert found.code == "remote.host-key"
        assert f"`ssh new-{choice}`" in found.hint
        assert known.read_text() == ""


def test_changed_host_key_is_refused(server):
    server.keygen(server.folder / "other_key")
    server.trust(server.folder / "other_key.pub")
    found = refused(server.host("studio"))
    assert found.code == "remote.host-key"
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in found.hint


def test_refused_key_is_told(server):
    host = server.host("studio")
    (server.folder / "authorized_keys").write_text("")
    found = refused(host)
    assert found.code == "remote.refused-key"
    assert "ssh-copy-id studio" in found.hint


def test_host_that_is_off_is_told(server):
    host = server.host("studio")
    server.stop()
    found = refused(host)
    assert found.code == "remote.unreachable"
    assert "refused" in " ".join(found.notes)


def test_no_ssh_is_told(monkeypatch, server, tmp_path):
    host = server.host("studio")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(host).code == "remote.no-ssh"


def test_wrong_settings_of_ssh_are_told(server):
    server.settings("NoSuchOption yes\n")
    assert refused(server.host("studio")).code == "remote.ssh-settings"


FLOODS = {
    "lines": "yes",
    "one-line": "cat /dev/zero",
    "errors": "yes >&2",
    "random": "cat /dev/urandom",
}


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", FLOODS)
def test_flood_is_cut_off(server, name):
    bounds = HostBounds(connect_seconds=5, greeting_seconds=20, seconds=60, size_bytes=1 << 22)
    found = refused(server.host(name, FLOODS[name]), bounds)
    assert found.code in {"remote.garbage", "remote.too-much"}


def test_flood_of_the_program_is_cut_off_and_ended(server, tmp_path):
    mark = tmp_path / "pid"
    flood = program(
        tmp_path,
        f"[ $1 = --version ] && echo llmgen, version {__version__} && exit; echo $$ >{mark}; yes",
    )
    bounds = HostBounds(connect_seconds=5, greeting_seconds=20, seconds=60, size_bytes=1 << 22)
    found = refused(server.host("flood", llmgen=flood), bounds)
    assert found.code == "remote.too-much"
    assert server.left() == []
    assert not Path(f"/proc/{mark.read_text().strip()}").exists()


GARBAGE = {
    "text": "echo this is a router",
    "escapes": r"printf '\033]0;title\007\033[2J'",
    "binary": "head -c 300 /dev/urandom",
    "json": """echo '{"is": "here", "size": 0}'""",
    "deep": "head -c 60000 /dev/zero | tr '\\\\0' '['; echo",
}


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_shown_without_its_control_characters(server, name):
    found = refused(server.host(name, GARBAGE[name]))
    assert found.code == "remote.garbage"


def test_garbage_in_place_of_a_document_is_shown(server, tmp_path):
    says = f"[ $1 = --version ] && echo llmgen, version {__version__} && exit"
    wrong = program(tmp_path, f"{says}; printf 'Traceback\\033[31m'")
    done = run(server.host("wrong", llmgen=wrong), WORDS, FILES, bounds=QUICK)
    with pytest.raises(InputError) as error:
        done.document()
    (found,) = error.value.diagnostics
    assert found.code == "remote.garbage"
    assert r"`Traceback\x1b[31m`" in found.message


def test_host_that_never_answers_is_left(server):
    bounds = HostBounds(connect_seconds=5, greeting_seconds=3, seconds=60)
    found = refused(server.host("silent", "exec sleep 1000"), bounds)
    assert found.code == "remote.no-answer"


def test_program_that_does_not_end_is_stopped(server, tmp_path):
    slow, mark = sleeping(tmp_path)
    bounds = HostBounds(connect_seconds=5, greeting_seconds=20, seconds=4)
    found = refused(server.host("slow", llmgen=slow), bounds)
    assert found.code == "remote.too-long"
    assert server.left() == []
    assert not Path(f"/proc/{mark.read_text().strip()}").exists()


def sleeping(folder):
    """A program that sleeps, and the file with its process."""
    mark = folder / "pid"
    says = f"[ $1 = --version ] && echo llmgen, version {__version__} && exit"
    return program(
        folder, f"{says}; echo $$ >{mark}.new; mv {mark}.new {mark}; exec sleep 1000"
    ), mark


def test_host_that_dies_in_the_middle_is_told_and_has_nothing_left(server, tmp_path):
    slow, mark = sleeping(tmp_path)
    host = server.host("dies", llmgen=slow)
    with ThreadPoolExecutor() as pool:
        pool.submit(lambda: within(20, mark.exists) and server.stop())
        found = refused(host)
    assert found.code == "remote.cut-off"
    pid = mark.read_text().strip()
    assert within(20, lambda: not server.left())
    assert not Path(f"/proc/{pid}").exists()


def test_full_disk_is_told(server):
    if os.geteuid():
        pytest.skip("mounting needs root")
    small = "mount -t tmpfs -o size=64k none $TMPDIR"
    shell = f"""exec unshare -m sh -c '{small}; exec sh -c "$SSH_ORIGINAL_COMMAND"'"""
    host = server.host("full", shell)
    with pytest.raises(InputError) as error:
        run(host, WORDS, {"llm.lock": os.urandom(1 << 20)}, bounds=QUICK)
    (found,) = error.value.diagnostics
    assert found.code == "remote.no-room"
    assert "No space left on device" in found.message


CALLER = """
from llmgen.remote.destination import destination
from llmgen.remote.fleet import each
from llmgen.remote.host import Host
from llmgen.remote.run import run
hosts = [Host(name, destination(name), {llmgen!r}) for name in ("one", "two")]
each(hosts, lambda host, stop: run(host, ("x",), {{}}, stop=stop))
"""


@pytest.mark.sample(3)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_whatever_ends_the_caller_ends_what_runs_there(server, tmp_path, how):
    slow, mark = sleeping(tmp_path)
    for name in ("one", "two"):
        server.host(name)
    text = CALLER.format(llmgen=slow)
    caller = subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE)
    assert within(20, lambda: mark.exists() and len(server.left()) == 2)
    pid = mark.read_text().strip()
    caller.send_signal(how)
    caller.communicate(timeout=30)
    assert within(20, lambda: not server.left())
    assert not Path(f"/proc/{pid}").exists()


def test_folder_of_a_killed_keeper_goes_with_the_next_one(server, tmp_path):
    left = server.folder / "there" / "llmgen-remote-dead"
    left.mkdir()
    assert arrive(server.host("studio", llmgen=shows(tmp_path)))
    assert server.left() == []
