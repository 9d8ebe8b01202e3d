"""`llmgen lock` where a model's file is on another host alone."""

import json

from click.testing import CliRunner
from gguf_writer import write_llama

from llmgen.cli.lock import cli as lock

HOSTS = """\
edition = 2
hardware = { os = "linux", backend = "cpu", memory = "64GiB", reserve = "2GiB", devices = [] }
[hosts.studio]
[hosts.spark]
[models.here]
model = "a.gguf"
host = "studio"
[models.there]
model = "b.gguf"
host = "spark"
"""


def locked(folder, models):
    words = ["-c", str(folder / "llm.toml"), "--json", "--models", str(models)]
    return json.loads(CliRunner().invoke(lock, words).stdout)


def test_each_host_adds_what_it_has(tmp_path):
    (tmp_path / "llm.toml").write_text(HOSTS)
    for name in ("desk/a.gguf", "spark/b.gguf"):
        (tmp_path / name).parent.mkdir()
        write_llama(tmp_path / name)
    first = locked(tmp_path, tmp_path / "desk")
    (told,) = first["diagnostics"]
    assert (first["exit_code"], told["code"]) == (4, "facts.missing")
    assert "`llmgen lock` there" in told["notes"][0]
    again = locked(tmp_path, tmp_path / "spark")
    assert again["exit_code"] == 0
    assert [row["step"] for row in again["data"]["models"]] == ["kept", "added"]
