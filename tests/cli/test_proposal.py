"""Where less memory is left than planned, doctor and guard propose what was planned to fit."""

import json
import re
from random import Random
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from making import facts
from msgspec.structs import replace
from readers.ports import free_ports

from llmgen.cli.boundary import Session, root
from llmgen.cli.pipeline import plan, read
from llmgen.cli.proposal import proposals, short_pools
from llmgen.cli.what_if import changed
from llmgen.errors import PlanError
from llmgen.facts.lock import Entry, Lock, write_lock
from llmgen.facts.lock_model import Run
from llmgen.operate.status.left_by_others import left_by_others
from llmgen.operate.status.observations import Observed
from llmgen.plan.start_command import command_digest
from llmgen.units import GIB

HEAD = """\
edition = 1
[hardware]
os = "linux"
backend = "cpu"
memory = "64GiB"
reserve = "2GiB"
devices = []
[paths]
home = "/home/llm"
[services]
llama_swap.port = {port}
"""
BIG = facts(
    "a.gguf", layers=32, embedding=4096, heads=32, heads_kv=8, feed_forward=14336,
    context=131072, vocabulary=128256,
)  # fmt: skip
NOTHING = Observed(units={}, listeners={})


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def make(models, *, held, runs=None, services=""):
        (tmp_path / "llm.toml").write_text(
            f"{HEAD.format(port=free_ports(1)[0])}{services}\n{models}"
        )
        names = set(re.findall(r'"(\w+\.gguf)"', models))
        entries = {f"file:{name}": Entry(replace(BIG, files=facts(name).files)) for name in names}
        write_lock(tmp_path / "llm.lock", Lock(entries, runs=runs or {}))
        memory = SimpleNamespace(total=64 * GIB, available=(64 - held) * GIB)
        monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
        found = read(Session((str(tmp_path / "llm.toml"),)))
        return found, plan(found)

    return make


def model(name, context='"max"', more=""):
    return f'[models.{name}]\nmodel = "{name}.gguf"\nctx_size = {context}\n{more}\n'


def told(found, placed):
    """The one proposal, and the keys that it tells as `--what-if` takes them."""
    ((_, text),) = proposals(placed, short_pools(found, placed))
    return text


TABLE = r"(?:`\w+ = [^`]+`(?: and )?)+ (?:for `\w+`|in \[[\w.]+\])"


def keys(text):
    """The edits of a sentence, way by way: `KEY = VALUE` for `a` as models.a.KEY=VALUE."""
    ways = re.findall(rf"{TABLE}(?:, {TABLE})*", text)
    return [[edit for table in re.findall(TABLE, way) for edit in edits(table)] for way in ways]


def edits(table):
    model, other = re.search(r"(?:for `(\w+)`|in \[([\w.]+)\])$", table).groups()
    where = f"models.{model}" if model else other
    return [f"{where}.{key}={value}" for key, value in re.findall(r"`(\w+) = ([^`]+)`", table)]


def room(found, edits):
    """Whether the plan with these edits has room in what was measured."""
    placed = plan(changed(found, edits))
    return all(item.missing_bytes <= 0 for item in left_by_others(placed, NOTHING))


def test_room_that_others_leave_is_enough(stack):
    assert short_pools(*stack(model("a"), held=20)) == ()


def test_open_context_gets_what_is_left_or_a_smaller_cache(stack):
    found, placed = stack(model("a"), held=38)
    (short,) = short_pools(found, placed)
    assert "26.0 GiB left by others, who hold 38.0 GiB" in short.observed
    text = told(found, placed)
    assert text.startswith('`reserve = { host = "36864MiB" }` in [budget] plans with what is left')
    reserve, smaller = keys(text)
    again, quantised = (plan(changed(found, edits)) for edits in (reserve, reserve + smaller))
    contexts = [item.placements[0].settings.ctx_size // 1024 for item in (again, quantised)]
    assert f"`a` gets {contexts[0]}K tokens instead of 128K" in text
    assert f"`a` gets {contexts[1]}K tokens instead of {contexts[0]}K with" in text
    assert contexts[0] < contexts[1]


def test_written_context_is_answered_with_a_cache_type_and_with_a_context(stack):
    found, placed = stack(model("a", 131072), held=38)
    text = told(found, placed)
    assert ' in [budget] counts it, and then one of: `cache_type_k = "q8_0"`' in text
    reserve, types, context = keys(text)
    assert [edit.partition("=")[0] for edit in context] == ["models.a.ctx_size"]
    with pytest.raises(PlanError):
        plan(changed(found, reserve))
    assert room(found, reserve + types)
    assert room(found, reserve + context)
    size = int(context[0].partition("=")[2])
    with pytest.raises(PlanError):
        plan(changed(found, [*reserve, f"models.a.ctx_size={size + 256}"]))


def test_a_pin_that_no_longer_fits_is_told(stack):
    text = model("a", 16384, "pin = true") + model("b", 16384)
    found, placed = stack(text, held=34)
    reserve, *ways = keys(told(found, placed))
    assert ["models.a.pin=false"] in ways
    assert all(room(found, reserve + way) for way in ways)


def test_models_that_no_longer_meet_can_be_kept_apart_instead(stack):
    found, placed = stack(model("a", 32768) + model("b", 32768), held=26)
    text = told(found, placed)
    assert "`a` and `b` no longer meet" in text
    reserve, types, context, apart = keys(text)
    assert "`a` and `b` still meet with `ctx_size = " in text
    for way in (types, context):
        after = plan(changed(found, reserve + way))
        assert [set(state.models) for state in after.states] == [{"a", "b"}]
        assert room(found, reserve + way)
    assert apart == ['plan.never_together=[["a", "b"]]']
    assert room(found, apart)


def test_a_model_is_no_longer_served_where_nothing_else_is_enough(stack):
    always = 'keep = "always"'
    text = model("a", 256, always) + model("b", 256, always)
    found, placed = stack(text, held=40, services='on_demand = "none"')
    reserve, without = keys(told(found, placed))
    assert without == ["models.a.enable=false"]
    assert room(found, reserve + without)


@pytest.mark.sample(4)
@pytest.mark.parametrize("seed", range(12))
def test_every_proposal_has_room_in_what_was_measured(stack, seed):
    """Each way that is told, followed by hand beside the figures that were measured."""
    random = Random(seed)
    wants = [random.choice(["", "", "pin = true", 'keep = "always"']) for _ in "abc"]
    sizes = [random.choice(['"max"', 4096, 16384, 65536, 131072]) for _ in "abc"]
    names = "abc"[: random.randint(1, 3)]
    text = "".join(map(model, names, sizes, wants))
    try:
        found, placed = stack(text, held=random.randint(10, 44))
    except PlanError:
        return
    shorts = short_pools(found, placed)
    for _, said in proposals(placed, shorts):
        counted, _, apart = said.partition("or, instead of all that, ")
        reserve, *ways = keys(counted)
        assert all(room(found, reserve + way) for way in ways), said
        assert all(room(found, way) for way in keys(apart)), said


def test_what_measure_saw_beyond_the_plan_is_counted(stack):
    text = model("a", 65536)
    _, placed = stack(text, held=20)
    item = placed.placements[0]
    held = item.estimate.on("host") + item.estimate.host.page_cache + 24 * GIB
    digest = command_digest(item, placed.library)
    found, placed = stack(
        text, held=20, runs={"a": Run(digest, "2026-11-28", "b11434", {"host": held})}
    )
    (short,) = short_pools(found, placed)
    assert "`a` holds 24.0 GiB more than planned" in short.observed
    assert "measured on 2026-11-28" in short.observed
    reserve, *ways = keys(told(found, placed))
    assert ways
    assert all(room(found, reserve + way) for way in ways)


def test_a_model_that_declares_too_little_is_told_what_it_holds(stack):
    text = """
[models.voice]
engine = "command"
cmd = "tts --port ${PORT}"
serves = ["speech"]
memory = { host = "2GiB" }
"""
    _, placed = stack(text + model("a", 16384), held=40)
    digest = command_digest(placed.placement("voice"), placed.library)
    run = Run(digest, "2026-11-28", "tts 1", {"host": 9 * GIB})
    found, placed = stack(text + model("a", 16384), held=40, runs={"voice": run})
    (short,) = short_pools(found, placed)
    assert "`voice` holds 7.0 GiB more than planned" in short.observed
    counted, *_ = keys(told(found, placed))
    assert counted[1:] == ['models.voice.memory={ host = "9216MiB" }']
    assert room(found, counted)


def test_guard_that_is_short_tells_the_change(stack, tmp_path):
    stack(model("a"), held=38)
    with (tmp_path / "llm.toml").open("a") as file:
        file.write("[guard]\nthreshold = 1\n")
    done = CliRunner().invoke(
        root, ["-c", str(tmp_path / "llm.toml"), "guard", "--dry-run", "--json"]
    )
    (said,) = json.loads(done.stdout)["diagnostics"]
    assert said["code"] == "guard.less-than-planned"
    assert "`a` gets 78K tokens instead of 128K" in said["hint"]


def test_doctor_tells_the_change(stack, tmp_path):
    stack(model("a"), held=38)
    done = CliRunner().invoke(root, ["-c", str(tmp_path / "llm.toml"), "doctor", "--json"])
    rows = json.loads(done.stdout)["data"]["findings"]
    (row,) = [row for row in rows if row["rule"] == "memory-left"]
    assert row["verdict"] == "failed"
    assert "in [budget] plans with what is left" in row["fix"]
