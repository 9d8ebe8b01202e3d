"""Where others leave less memory than planned, doctor and guard propose what was planned to fit."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from making import facts
from readers.ports import free_ports

from llmgen.cli.boundary import Session, root
from llmgen.cli.pipeline import plan, read
from llmgen.cli.proposal import proposal, short_pools
from llmgen.cli.what_if import changed
from llmgen.errors import PlanError
from llmgen.facts.lock import Entry, Lock, write_lock
from llmgen.units import GIB

TEXT = """\
edition = 1
[hardware]
os = "linux"
backend = "cpu"
memory = "64GiB"
reserve = "2GiB"
devices = []
[paths]
home = "/home/llm"
[services.llama_swap]
port = {port}
[models.a]
model = "a.gguf"
ctx_size = {context}
"""
BIG = facts(
    "a.gguf", layers=32, embedding=4096, heads=32, heads_kv=8, feed_forward=14336,
    context=131072, vocabulary=128256,
)  # fmt: skip


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def make(context, *, held):
        (tmp_path / "llm.toml").write_text(TEXT.format(port=free_ports(1)[0], context=context))
        write_lock(tmp_path / "llm.lock", Lock({"file:a.gguf": Entry(BIG)}))
        memory = SimpleNamespace(total=64 * GIB, available=(64 - held) * GIB)
        monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
        found = read(Session((str(tmp_path / "llm.toml"),)))
        return found, plan(found)

    return make


def test_room_that_others_leave_is_enough(stack):
    assert short_pools(*stack('"max"', held=20)) == ()


def test_open_context_gets_what_is_left(stack):
    found, placed = stack('"max"', held=38)
    (short,) = short_pools(found, placed)
    assert "26.0 GiB left by others, who hold 38.0 GiB" in short.observed
    told = proposal(found, placed, short)
    assert told.startswith('`reserve = { host = "36864MiB" }` in [budget] plans with what is left')
    assert "instead of 128K" in told
    again = plan(changed(found, ['budget.reserve.host="36864MiB"']))
    assert f"`a` gets {again.placements[0].estimate.n_ctx // 1024}K tokens" in told


def test_written_context_is_answered_with_what_fits(stack):
    found, placed = stack("131072", held=38)
    (short,) = short_pools(found, placed)
    told = proposal(found, placed, short)
    assert told.startswith('`reserve = { host = "36864MiB" }` in [budget] counts them, and then: ')
    assert 'cache_type_k = "q8_0"' in told
    with pytest.raises(PlanError):
        plan(changed(found, ['budget.reserve.host="36864MiB"']))
    types = ['models.a.cache_type_k="q8_0"', 'models.a.cache_type_v="q8_0"']
    assert plan(changed(found, ['budget.reserve.host="36864MiB"', *types]))


def test_doctor_tells_the_change(stack, tmp_path):
    stack('"max"', held=38)
    done = CliRunner().invoke(root, ["-c", str(tmp_path / "llm.toml"), "doctor", "--json"])
    rows = json.loads(done.stdout)["data"]["findings"]
    (row,) = [row for row in rows if row["rule"] == "memory-left"]
    assert row["verdict"] == "failed"
    assert "in [budget] plans with what is left" in row["fix"]
