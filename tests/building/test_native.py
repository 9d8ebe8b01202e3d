"""`llmgen build` for this machine, with a stand-in for CMake: what is installed, and what never is."""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time

import psutil
import pytest
import stand_ins
from click.testing import CliRunner

from llmgen.building.recipe import PROGRAMS
from llmgen.cli.boundary import root


class Machine:
    """A home, its llm.toml, and stand-ins on PATH."""

    def __init__(self, folder):
        self.folder, self.home = folder, folder / "home"
        self.prefix = self.home / "prefix"
        self.variables = stand_ins.tools(folder / "tools")
        self.told = ""

    def words(self, *words):
        config = stand_ins.stack(self.home, self.told)
        return [sys.executable, "-m", "llmgen", "-c", config, "build", *words]

    def environment(self, **more):
        own = {"HOME": str(self.home), "XDG_CACHE_HOME": str(self.folder / "cache")}
        kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        return {**kept, **own, **self.variables, **more}

    def run(self, *words, **more):
        unset = dict.fromkeys(os.environ)
        words = [*map(str, self.words(*words)[3:])]
        done = CliRunner(env=unset | self.environment(**more)).invoke(root, words)
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)

    def asked(self):
        log = self.folder / "tools" / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def archive(tmp_path):
    return stand_ins.archive(tmp_path)


def runs(number):
    """Whether a process does anything; a dead one may wait for whoever adopted it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    return False


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_programs_are_linked_from_bin_and_lie_together_with_their_libraries(machine, archive):
    done = machine.run("--source", archive)
    assert done.returncode == 0, done.stderr
    for name in PROGRAMS:
        link = machine.prefix / "bin" / name
        assert link.is_symlink()
        assert link.resolve() == machine.prefix / "llama.cpp/b11434-cpu" / name
    assert (machine.prefix / "llama.cpp/b11434-cpu/libggml.so").is_symlink()
    server = subprocess.run([machine.prefix / "bin/llama-server"], capture_output=True, check=True)
    assert b"version: 11434" in server.stdout


def test_cmake_is_told_the_recipe(machine, archive):
    assert machine.run("--source", archive, "--jobs", "3").returncode == 0
    configure, compiling = machine.asked()
    assert "-DGGML_CPU_ALL_VARIANTS=ON" in configure
    assert "-DLLAMA_BUILD_NUMBER=11434" in configure
    assert "--parallel 3 --target llama-server" in compiling


def test_a_source_without_a_known_digest_is_told(machine, archive):
    done = machine.run("--source", archive)
    assert f"note[build.unpinned]: the source was taken as it came: its SHA-256 is {digest(archive)}" in done.stderr  # fmt: skip


def test_another_source_than_llm_toml_s_digest_is_refused(machine, archive):
    machine.told = f'[llama_cpp.recipe]\nsource = "{archive}"\ndigest = "{"0" * 64}"\n'
    done = machine.run()
    assert done.returncode == 4
    assert "build.other-source" in done.stderr
    assert not machine.prefix.exists()
    machine.told = machine.told.replace("0" * 64, f"sha256:{digest(archive)}")
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert "unpinned" not in done.stderr


def test_a_failed_compiler_leaves_what_is_installed_and_says_its_last_words(machine, archive):
    assert machine.run("--source", archive).returncode == 0
    before = stand_ins.tree(machine.prefix)
    machine.told = "[llama_cpp.recipe]\noptions = { GGML_LTO = 'ON' }\n"
    done = machine.run("--source", archive, STAND_IN_FAILS="yes")
    assert done.returncode == 4
    assert "build.failed" in done.stderr
    assert "one.cpp:1: error: no such thing" in done.stderr
    assert stand_ins.tree(machine.prefix) == before


def test_a_compiler_that_was_killed_gets_the_advice_of_fewer_jobs(machine, archive):
    done = machine.run("--source", archive, STAND_IN_KILLED="yes")
    assert "memory ran out: fewer `--jobs`" in done.stderr


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    "how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda how: how.name
)
def test_an_interrupted_build_leaves_nothing_running_nothing_installed_and_goes_on(
    machine, archive, how
):
    mark = machine.folder / "compiling"
    process = subprocess.Popen(
        machine.words("--source", archive), env=machine.environment(STAND_IN_WAITS=mark),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    child = mark.with_name("compiling.child")
    while not (child.exists() and child.read_text().strip()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(how)
    assert process.wait(60) == 130
    assert not runs(int(child.read_text()))
    assert not machine.prefix.exists()
    (kept,) = (machine.folder / "cache").rglob("one.o")
    age = kept.stat().st_ino
    mark.with_name("compiling.done").touch()
    done = machine.run("--source", archive, STAND_IN_WAITS=str(mark))
    assert done.returncode == 0, done.stderr
    assert kept.stat().st_ino == age
    assert (machine.prefix / "bin/llama-server").exists()


def test_a_program_of_others_in_bin_is_refused_before_anything_is_compiled(machine, archive):
    own = machine.prefix / "bin" / "llama-bench"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    done = machine.run("--source", archive)
    assert done.returncode == 6
    assert "build.foreign" in done.stderr
    assert own.read_text() == "mine"
    assert machine.asked() == []


def test_a_source_of_another_build_is_not_installed(machine, archive):
    done = machine.run("--source", archive, STAND_IN_BUILD="11435")
    assert done.returncode == 4
    assert "the source is of build 11435, and llm.toml aims at 11434" in done.stderr
    assert not (machine.prefix / "bin").exists()


def test_a_checkout_counts_its_own_build(machine, tmp_path):
    root = stand_ins.source(tmp_path / "checkout")
    (root / ".git").mkdir()
    assert machine.run("--source", root).returncode == 0
    assert "LLAMA_BUILD_NUMBER" not in machine.asked()[0]
    assert f"-S {root} " in machine.asked()[0]


@pytest.mark.sample(4)
@pytest.mark.parametrize("kind", ["text", "empty", "other", "absent", "climbing"])
def test_what_is_no_source_is_refused_in_words(machine, tmp_path, kind):
    path = tmp_path / "source.tar"
    match kind:
        case "text":
            path.write_text("no archive")
        case "empty":
            path.write_bytes(b"")
        case "other":
            path.mkdir()
        case "climbing":
            with tarfile.open(path, "w") as out:
                item = tarfile.TarInfo("../../outside")
                item.size = 4
                out.addfile(item, io.BytesIO(b"evil"))
    done = machine.run("--source", path)
    assert done.returncode == 4
    assert "error[build.no" in done.stderr
    assert not list(tmp_path.rglob("outside"))
    assert not machine.prefix.exists()


def test_remove_takes_away_what_was_built_and_nothing_else(machine, archive):
    assert machine.run("--source", archive).returncode == 0
    own = machine.prefix / "bin" / "llama-mine"
    own.write_text("mine")
    assert machine.run("--remove").returncode == 0
    assert stand_ins.tree(machine.prefix) == {"bin/llama-mine": "mine"}


def test_a_dry_run_prints_commands_and_does_nothing(machine, archive):
    done = machine.run("--source", archive, "--dry-run")
    assert done.stdout.startswith("cmake -S ")
    assert machine.asked() == []
    assert not machine.prefix.exists()


def test_json_has_programs_and_digest(machine, archive):
    done = machine.run("--source", archive, "--json")
    found = json.loads(done.stdout)["data"]
    assert found["digest"] == digest(archive)
    assert len(found["programs"]) == len(PROGRAMS)
