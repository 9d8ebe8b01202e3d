"""``llmgen inspect``: figures of files, refusals among them, and the arithmetic."""

import json

import pytest
from click.testing import CliRunner
from oracle.headers import write_header

from llmgen.cli.boundary import root


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    names = ("llama-3.2-1b", "deepseek-v2-lite")
    return {name: str(write_header(folder / f"{name}.gguf", name)) for name in names}


def run(*words):
    result = CliRunner().invoke(root, ["inspect", *words], prog_name="llmgen")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def models(*words):
    return json.loads(run(*words, "--json").stdout)["data"]["models"]


def test_figures_are_the_programs_own(files):
    # breakdown of libllama b11434: -c 8192 -np 1, one RPC device
    (found,) = models(files["llama-3.2-1b"], "--ctx-size", "8192", "--parallel", "1")
    assert found["memory"] == [
        {"device": "host", "model": 147750912, "context": 0, "compute": 25184288},
        {"device": "gpu0", "model": 732143744, "context": 268435456, "compute": 75511840},
    ]
    assert (found["architecture"], found["exact"]) == ("llama", True)
    assert (found["n_ctx"], found["n_ctx_seq"]) == (8192, 8192)


def test_refused_setting_is_that_models_error_and_the_others_are_answered(files):
    result = run(*files.values(), "--cache-type-k", "q8_0", "--json")
    answered, refused = json.loads(result.stdout)["data"]["models"]
    assert result.exit_code == 5
    assert "memory" in answered
    assert "memory" not in refused
    assert refused["error"]["code"] == "inspect.setting-refused"
    assert refused["error"]["key"] == ["cache_type_v"]


def test_unreadable_file_is_its_own_error(files):
    result = run("absent.gguf", files["llama-3.2-1b"], "--json")
    missing, answered = json.loads(result.stdout)["data"]["models"]
    assert (result.exit_code, missing["error"]["code"]) == (4, "facts.missing")
    assert "memory" in answered


@pytest.mark.parametrize(("count", "devices"), [("0", ["host"]), ("2", ["host", "gpu0", "gpu1"])])
def test_devices_are_counted(files, count, devices):
    (found,) = models(files["llama-3.2-1b"], "--devices", count)
    assert [item["device"] for item in found["memory"]] == devices


def test_shares_and_overrides_are_spelled_as_the_servers(files):
    (found,) = models(
        files["llama-3.2-1b"],
        *("--devices", "2", "--tensor-split", "0,1", "--override-tensor", "blk=CPU,output=gpu0"),
    )
    host, first, second = found["memory"]
    assert host["model"] > first["model"]
    assert second["context"] > 0


def test_build_chooses_the_rules(files):
    older, newer = (
        models(files["llama-3.2-1b"], "--llama-cpp-build", build)[0]["memory"][1]["compute"]
        for build in ("11391", "11434")
    )
    assert newer > older


def test_explained_summands_add_up(files):
    (found,) = models(files["llama-3.2-1b"], "--explain")
    total = sum(
        sum(item[word] for word in ("model", "context", "compute")) for item in found["memory"]
    )
    assert sum(part["bytes"] for part in found["parts"]) == total


def test_text_names_the_words_of_llama_cpp(files):
    output = run(files["llama-3.2-1b"], "--ctx-size", "64K", "--parallel", "2", "--explain").stdout
    assert "context 64K, 32K for a slot (exact)" in output
    assert "K, full attention: 16 layers x 512 elements in f16 = 1024 B x 65536 cells" in output


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--ctx-size", "many"), "must be a size like"),
        (("--ctx-size", "max"), "must be a number"),
        (("--ctx-size", "99999999999999999999"), "must be at most 2147483647"),
        (("--batch-size", "0"), "must be at least 1"),
        (("--ubatch-size", "-3"), "must be at least 1"),
        (("--parallel", "-5"), "must be at least 1"),
        (("--parallel", "257"), "must be at most 256"),
        (("--n-gpu-layers", "-7"), 'must be at least 0 or "all"'),
        (("--n-cpu-moe", "auto"), "must be a number"),
        (("--tensor-split", "a,b"), "must be a number"),
        (("--tensor-split", "nan"), "must be a finite number"),
        (("--tensor-split", "1,inf"), "must be a finite number"),
        (("--tensor-split=-1,2",), "must be at least 0"),
        (("--override-tensor", "exps"), "must be `PATTERN=BUFFER`"),
        (("--devices", "17"), "not in the range"),
    ],
)
def test_options_have_the_bounds_of_their_keys(files, words, wanted):
    result = run(files["llama-3.2-1b"], *words)
    assert result.exit_code == 2
    assert wanted in result.stderr


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--ctx-size", "0"), "must be at least 1"),
        (("--ctx-size", "8T"), "must be at most 2147483647"),
        (("--parallel", "0"), "must be at least 1"),
        (("--parallel", "300"), "must be at most 256"),
    ],
)
def test_options_of_fit_have_them_too(files, words, wanted):
    arguments = ["fit", files["llama-3.2-1b"], "--profile", "cpu", *words]
    result = CliRunner().invoke(root, arguments, prog_name="llmgen")
    assert result.exit_code == 2
    assert wanted in result.stderr
