import json

import pytest
import readers
from click.testing import CliRunner
from gguf_writer import write_llama
from making import config, facts
from msgspec import structs
from readers.ports import free_port
from readers.running import running

from llmgen.bench.command_line import command_line
from llmgen.bench.comparison import compare, figures
from llmgen.bench.http import chat, load
from llmgen.bench.recipes import RECIPES, connections
from llmgen.cli.bench import _by_program
from llmgen.cli.boundary import root
from llmgen.errors import InputError
from llmgen.facts.lock import write_lock
from llmgen.facts.lock_model import Entry, Lock
from llmgen.plan.place import place
from llmgen.resolve import resolve

TEXT = '[models.a]\nmodel = "a.gguf"\nctx_size = "8K"\nparallel = 2\ncache_type_k = "q8_0"\n'


def planned(text=TEXT, **shape):
    plan = place(resolve(config(text), {"file:a.gguf": facts("a.gguf", **shape)}))
    return plan.placements[0], plan.library


def line(recipe, text=TEXT, **shape):
    return command_line(*planned(text, **shape), RECIPES[recipe], "/bin")


def value(words, option):
    return words[words.index(option) + 1]


def test_llama_bench_measures_with_the_plan_s_settings():
    words = line("single")
    assert words[0] == "/bin/llama-bench"
    assert value(words, "--cache-type-k") == "q8_0"
    assert value(words, "--n-gpu-layers") == "-1"
    assert value(words, "--device") == "CUDA0"
    assert value(words, "--model") == "/home/llm/models/a.gguf"


def test_depths_end_where_one_request_s_context_does():
    assert value(line("single"), "--n-depth") == "0"
    # Two slots of 4,096 tokens, of which the measurement itself takes 640.
    assert value(line("depth"), "--n-depth") == "0,3456"


def test_stress_reaches_the_end_of_every_context():
    for context in (8192, 131072, 131072 * 2):
        text = f'[models.a]\nmodel = "a.gguf"\nctx_size = {context}\n'
        assert value(line("stress", text, context=context), "--n-depth") == str(context - 640)


def test_batched_asks_the_program_that_knows_slots():
    words = line("batched")
    assert words[0] == "/bin/llama-batched-bench"
    assert value(words, "-npl") == "1,2"
    assert value(words, "--ctx-size") == "8192"
    many = TEXT.replace("parallel = 2", "parallel = 12")
    # Of 12 slots, the context holds 12 requests of 640 tokens.
    assert value(line("batched", many), "-npl") == "1,2,4,8,12"


def test_embedders_generate_nothing():
    text = '[models.a]\nmodel = "a.gguf"\nrole = "embedding"\npooling = "mean"\n'
    words = line("single", text)
    assert value(words, "--n-gen") == "0"
    assert value(words, "--embeddings") == "1"


def test_no_more_connections_than_twice_the_slots():
    assert list(connections(planned()[0], RECIPES["batched"])) == [1, 2, 4]


@pytest.mark.sample(2)
@pytest.mark.reader("llama-server")
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_real_programs_take_every_option(tmp_path, recipe):
    write_llama(tmp_path / "a.gguf")
    head = f'edition = 1\n[hardware]\nprofile = "cpu"\nmemory = "8GiB"\n[paths]\nhome = "/h"\nmodels = "{tmp_path}"\n'
    text = """
[models.a]
model = "a.gguf"
ctx_size = 256
parallel = 2
flash_attn = "on"
"""
    made = config(text, head=head)
    plan = place(resolve(made, {"file:a.gguf": facts("a.gguf")}))
    quick = structs.replace(RECIPES[recipe], prompts=(8,), answers=(2,), repetitions=1)
    folder = readers.find("llama-server").parent
    words = command_line(plan.placements[0], plan.library, quick, str(folder))
    ran = _by_program([(plan.placements[0], words)], quick)
    rows = [{**row, "recipe": recipe} for row in ran]
    measured = {what for row in rows for (_, _, what), speed in figures(row) if speed > 0}
    assert (
        measured
        == {
            "single": {"prompt 8 at depth 0", "answer 2 at depth 0"},
            "depth": {
                f"{what} at depth {at}" for what in ("prompt 8", "answer 2") for at in (0, 246)
            },
            "batched": {
                f"{what}, {n} at a time" for what in ("prompt 8", "answer 2") for n in (1, 2)
            },
            "stress": {"prompt 8 at depth 246", "answer 2 at depth 246"},
        }[recipe]
    )


@pytest.mark.parametrize(("complete_at", "fails"), [(2, False), (9, True)])
def test_lost_results_are_measured_again(tmp_path, complete_at, fails):
    """A stand-in for llama-batched-bench that loses its last line, as b11434 does at times."""
    stand_in = tmp_path / "stand-in-batched-bench"
    stand_in.write_text(
        f"""#!/bin/sh
echo run >> {tmp_path}/runs
echo '{{"pl": 1}}'
[ $(wc -l < {tmp_path}/runs) -lt {complete_at} ] || echo '{{"pl": 2}}'
"""
    )
    stand_in.chmod(0o755)
    ran = _by_program([(planned()[0], (str(stand_in),))], RECIPES["batched"])
    if fails:
        with pytest.raises(InputError, match="lost results 8 times"):
            list(ran)
    else:
        assert [row["llama_batched_bench"]["pl"] for row in ran] == [1, 2]


def result(speed, **more):
    row = {"plan": "x", "model": "a", "recipe": "single"}
    return json.dumps(row | {"llama_bench": {"n_prompt": 512, "n_gen": 0, "avg_ts": speed, **more}})


def test_two_files_are_compared_by_their_newest_results():
    before = f"{result(10)}\n{result(20)}\n{result(5, n_depth=4096)}\n"
    first, second = compare(before, f"{result(30)}\n")
    assert (first.what, first.before, first.after) == ("prompt 512 at depth 0", 20, 30)
    assert first.ratio == 1.5
    assert (second.what, second.after, second.ratio) == ("prompt 512 at depth 4096", None, None)


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"model": "a"}', "[" * 10**5])
def test_a_line_that_is_no_result_is_named(tmp_path, text):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text(result(1))
    bad.write_text(f"{result(1)}\n{text}\n")
    done = CliRunner().invoke(root, ["bench", "--compare", str(good), str(bad)])
    assert done.exit_code == 4
    assert "line 2 is no result" in done.stderr


def test_compare_prints_ratios(tmp_path):
    for name, speed in (("before", 10), ("after", 25)):
        (tmp_path / name).write_text(result(speed))
    words = ["bench", "--compare", str(tmp_path / "before"), str(tmp_path / "after")]
    done = CliRunner().invoke(root, words)
    assert done.exit_code == 0, done.output
    assert "2.50" in done.stdout


@pytest.mark.reader("llama-server")
def test_real_server_under_load(tmp_path):
    port = free_port()
    argv = [readers.find("llama-server"), "-m", write_llama(tmp_path / "a.gguf"), "-c", "2048",
            "-np", "2", "--port", port, "--fit", "off"]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with running(argv, ready=f"{url}/health", log=tmp_path / "log"):
        found = load(f"{url}/v1", "a", prompt_tokens=8, answer_tokens=4, connections=2)
        assert [item.completion_tokens for item in found.answers] == [4, 4]
        assert all(0 < item.first_seconds <= item.total_seconds for item in found.answers)


def test_nobody_listens():
    with pytest.raises(InputError):
        chat(f"http://127.0.0.1:{free_port()}/v1", "a", 8, 4)


def test_programs_number_devices_as_the_servers_do(tmp_path, monkeypatch):
    told = TEXT + '[hardware]\nprofile = "nvidia-2x24gb"\n[paths]\nhome = "/home/me"\n'
    (tmp_path / "llm.toml").write_text(f"edition = 1\n{told}")
    write_lock(tmp_path / "llm.lock", Lock({"file:a.gguf": Entry(facts("a.gguf"))}))
    program = tmp_path / "llama-bench"
    row = json.dumps({"n_prompt": 512, "n_gen": 0, "n_depth": 0, "avg_ts": 1, "order": "ORDER"})
    program.write_text(f"#!/bin/sh\necho '{row}' | sed \"s/ORDER/$CUDA_DEVICE_ORDER/\"\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    done = CliRunner().invoke(root, ["bench", "a", "--programs", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)["data"]["results"]
    assert row["llama_bench"]["order"] == "PCI_BUS_ID"
