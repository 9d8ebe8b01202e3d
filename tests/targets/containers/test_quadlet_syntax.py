"""Hostile values stay literal in quadlets: read by podman's generator, then as systemd reads it."""

import subprocess
from csv import reader

import pytest
import readers
from hostile_texts import hostile
from readers.systemd_syntax import split_exec_start

from llmgen.render.quoting import csv
from llmgen.targets.containers.versions import OPTIONS, QUADLET, knows
from llmgen.targets.quadlet import QuadletLine

COUNT = 10_000
# The release of the generator that the tests have.
HERE = "5.4"
VALUES = {
    "HealthCmd": '["true"]',
    "Mount": ("type=tmpfs,destination=/x",),
    "Tmpfs": "/x",
    "UserNS": "keep-id",
    "LogDriver": "journald",
    "AutoUpdate": "registry",
    "Pull": "never",
    "Sysctl": ("net.ipv4.ip_unprivileged_port_start=0",),
    "ShmSize": "64m",
    "Ulimit": "memlock=-1:-1",
    "Entrypoint": '["/bin/sh"]',
    "StopTimeout": "30",
    "Notify": "healthy",
    "GroupAdd": "keep-groups",
    "LogOpt": ("max-size=10mb",),
    "NetworkAlias": "x",
    "AddHost": "a:host-gateway",
    "Memory": "24m",
}


def generated(folder, lines):
    """(exit code, the generated units) of a container with these lines."""
    text = "\n".join(f"{key}={value}" for key, value in (line.written() for line in lines))
    (folder / "x.container").write_text(f"[Container]\nImage=x\n{text}\n", "utf-8")
    done = subprocess.run(
        [readers.find("quadlet"), "-dryrun", "-no-kmsg-log"],
        env={"PATH": "/usr/bin:/bin", "QUADLET_UNIT_DIRS": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def words(folder, lines):
    """The words that systemd would start podman with."""
    code, text = generated(folder, lines)
    assert code == 0
    (line,) = (line for line in text.splitlines() if line.startswith("ExecStart="))
    own = line.partition("=")[2].replace("systemd-%N", "x").replace("%t/%N.cid", "x")
    return split_exec_start(own)


def values(found, option):
    return [found[at + 1] for at, word in enumerate(found) if word == option]


@pytest.mark.reader("quadlet")
def test_words_are_read_back(tmp_path):
    texts = hostile(COUNT, 31)
    found = words(tmp_path, [QuadletLine("Exec", tuple(texts))])
    assert found[-COUNT:] == texts


@pytest.mark.reader("quadlet")
def test_variables_are_read_back(tmp_path):
    texts = hostile(COUNT, 32)
    lines = [
        QuadletLine("Environment", (f"V{number}={text}",)) for number, text in enumerate(texts)
    ]
    told = dict(item.split("=", 1) for item in values(words(tmp_path, lines), "--env"))
    assert [told[f"V{number}"] for number in range(COUNT)] == texts


@pytest.mark.reader("quadlet")
def test_paths_of_mounts_are_read_back(tmp_path):
    places = [f"/srv/{number}{text}/x" for number, text in enumerate(hostile(1000, 33))]
    lines = [
        QuadletLine("Mount", (csv([("type", "bind"), ("source", place), ("destination", "/x")]),))
        for place in places
    ]
    rows = reader(values(words(tmp_path, lines), "--mount"))
    sources = [cell.partition("=")[2] for row in rows for cell in row if cell.startswith("source=")]
    assert sources == places


@pytest.mark.reader("quadlet")
@pytest.mark.parametrize("key", [key for key in QUADLET if key in VALUES])
def test_the_table_says_which_keys_this_podman_has(key, tmp_path):
    code, _ = generated(tmp_path, [QuadletLine(key, VALUES[key])])
    assert (code == 0) == knows(HERE, key)


def test_every_key_of_the_table_was_tried():
    units = {".image", ".build", "NetworkName", "VolumeName"}
    assert {*QUADLET} - units == {*VALUES}
    assert {*OPTIONS} <= {*VALUES}
