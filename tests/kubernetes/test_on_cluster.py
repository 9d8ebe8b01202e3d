"""Every command on a file with [kubernetes]: the right thing, or one message that says what to do."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from foreign_kubectl import put

from llmgen.cli import COMMANDS
from llmgen.cli.boundary import root

REPOSITORY = Path(__file__).parents[2]
TEXT = """
edition = 2
[hardware]
profile = "nvidia-24gb"
[paths]
home = "/home/llm"
[models.coder]
model = "Qwen3-Coder-30B-A3B-Instruct-GGUF/Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf"
ctx_size = 16384
[gateway.envoy]
enable = true
"""
CLUSTER = "[kubernetes.pools.gpu]\ncount = 3\n"
# What they want to know beside the file.
ARGUMENTS = {
    "load": ["coder"],
    "measure": ["coder"],
    "run": ["coder", "hi"],
    "tool": ["llama-bench"],
    "unload": ["coder"],
}
# They are about the models, the text of the file, or the generated files.
AS_EVER = {"check", "completion", "diff", "fit", "generate", "import", "init", "inspect", "lock"}
AS_EVER |= {"models", "pull", "schema", "show", "wake"}
BY_KUBECTL = {"doctor", "generations", "install", "logs", "rollback", "status", "uninstall"}


@pytest.fixture
def llmgen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("llm.toml").write_text(TEXT)
    Path("cluster.toml").write_text(CLUSTER)
    Path("llm.lock").write_bytes((REPOSITORY / "llm.lock").read_bytes())

    def run(*words, code=0):
        name, *others = words
        told = ["-c", "llm.toml", "-c", "cluster.toml", name, "--json", *others]
        done = CliRunner().invoke(root, told)
        assert done.exit_code == code, done.output
        return done.stderr if code == 2 else json.loads(done.stdout)

    return run


@pytest.mark.parametrize("name", sorted({*COMMANDS} - AS_EVER - BY_KUBECTL))
def test_what_is_about_a_machine_says_so_and_what_to_do(name, llmgen):
    before = sorted(Path().rglob("*"))
    (only,) = llmgen(name, *ARGUMENTS.get(name, ()), code=4)["diagnostics"]
    assert only["code"] == "kubernetes.which"
    assert only["location"]["file"] == "cluster.toml"
    assert (
        "llmgen" in only["hint"]
        or "kubectl" in only["hint"]
        or "NetworkPolic" in only["hint"]
        or len(only["hint"]) > 20
    )
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("name", sorted(BY_KUBECTL))
def test_the_current_context_is_never_taken(name, llmgen, tmp_path, monkeypatch):
    calls = put(
        tmp_path / "bin",
        "print('lab\\nprod') if 'get-contexts' in words else sys.exit(9)",
        monkeypatch,
    )
    (only,) = llmgen(name, code=4)["diagnostics"]
    assert only["code"] == "kubernetes.which-context"
    assert "lab, prod" in only["hint"]
    assert [*calls] == [["config", "get-contexts", "--output=name"]]


def test_a_context_that_kubectl_does_not_know(llmgen, tmp_path, monkeypatch):
    script = (
        "print('lab') if 'get-contexts' in words else"
        " sys.exit('error: context \"labb\" does not exist')"
    )
    put(tmp_path / "bin", script, monkeypatch)
    (only,) = llmgen("install", "--context", "labb", code=4)["diagnostics"]
    assert only["code"] == "kubernetes.no-context"
    assert "did you mean `lab`?" in only["hint"]


@pytest.mark.parametrize(
    "words",
    [
        ("install", "--cron"),
        ("install", "--root", "x"),
        ("status", "--probe"),
        ("logs", "--boot"),
        ("show", "--files"),
        ("show", "--requirements"),
        ("show", "--explain"),
        ("show", "--expect"),
        ("show", "--without", "gpu"),
        ("generate", "--target", "envoy"),
        ("diff", "--target", "envoy"),
    ],
)
def test_options_of_machines_are_refused(words, llmgen):
    before = sorted(Path().rglob("*"))
    assert f"`{words[1]}` is for machines" in llmgen(*words, code=2)
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("name", ["check", "generate", "install", "show"])
def test_a_host_of_a_cluster_is_none(name, llmgen):
    assert "no [hosts]" in llmgen(name, "--host", "gpu", code=2)


def test_a_time_to_wait_without_waiting(llmgen):
    assert "says how long" in llmgen("install", "--no-wait", "--wait-timeout", "5", code=2)


def test_an_empty_context_is_no_context_of_llm_toml(llmgen):
    Path("cluster.toml").write_text(f'kubernetes.context = "lab"\n{CLUSTER}')
    assert "it is empty" in llmgen("install", "--context", "", code=2)


def test_doctor_says_where_the_context_stands(llmgen, tmp_path, monkeypatch):
    Path("cluster.toml").write_text(f'kubernetes.context = "labb"\n{CLUSTER}')
    script = (
        "print('lab') if 'get-contexts' in words else"
        " sys.exit('error: context \"labb\" does not exist')"
    )
    put(tmp_path / "bin", script, monkeypatch)
    (only,) = llmgen("doctor", code=4)["diagnostics"]
    assert only["code"] == "kubernetes.no-context"
    assert only["location"]["line"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ("install", "--force-conflicts"),
        ("status", "--context", "a"),
        ("uninstall", "--delete-models"),
    ],
)
def test_options_of_clusters_are_refused_without_one(words, llmgen):
    Path("cluster.toml").write_text("")
    assert "is for a cluster" in llmgen(*words, code=2)


def test_diff_without_a_context_compares_the_folder(llmgen):
    llmgen("diff", code=1)
    llmgen("generate")
    assert llmgen("diff")["data"]["changes"] == []
    assert llmgen("generate", "--check")["data"]["changes"] == []


def test_check_proves_each_unit(llmgen):
    assert llmgen("check")["data"]["units"] != {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), ["--selector=app.kubernetes.io/part-of=llmgen", "--tail=100"]),
        (
            ("coder", "envoy", "-n", "5"),
            [
                "--selector=app.kubernetes.io/part-of=llmgen,app.kubernetes.io/name in (swap-gpu,envoy)",
                "--tail=5",
            ],
        ),
        (("--since", "2h"), ["--since=2h", "--tail=-1"]),
        (("--since", "2026-11-29T10:00:00Z"), ["--since-time=2026-11-29T10:00:00Z"]),
    ],
)
def test_logs_of_pods(words, told, llmgen, tmp_path, monkeypatch):
    calls = put(tmp_path / "bin", "print('[pod/a/b] one\\n[pod/a/b] two')", monkeypatch)
    answer = llmgen("logs", "--context", "lab", *words)
    assert answer["data"]["lines"] == ["[pod/a/b] one", "[pod/a/b] two"]
    (call,) = calls
    assert {*told} <= {*call}


@pytest.mark.parametrize("words", [("nobody",), ("--since", "yesterday")])
def test_logs_of_nobody(words, llmgen, tmp_path, monkeypatch):
    calls = put(tmp_path / "bin", "", monkeypatch)
    assert "Error: " in llmgen("logs", "--context", "lab", *words, code=2)
    assert [*calls] == []


def test_an_environment_that_is_none(llmgen):
    assert "there is none" in llmgen("install", "--environment", "prod", code=2)
    Path("cluster.toml").write_text(f'{CLUSTER}[kubernetes.environments.prod]\ncontext = "lab"\n')
    assert "did you mean `prod`?" in llmgen("install", "--environment", "prd", code=2)
