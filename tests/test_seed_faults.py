"""The faults of five published stacks: what a target can express is impossible or refused.

Each test is named after its fault (000a … 004l). `ELSEWHERE` lists the faults that no target of
llmgen can express, or that another test shows with a running program, with the reason.
"""

import json
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from msgspec import structs
from readers.llama_swap_rules import families, split
from readers.systemd_syntax import read_environment_file, split_exec_start
from yaml_reader import read_yaml

from llmgen.budget.estimate import estimate
from llmgen.config.load import load
from llmgen.config.source import Source, read
from llmgen.errors import ConfigError, PlanError
from llmgen.facts.lock import read_lock
from llmgen.plan.place import place
from llmgen.render.environment import make_render
from llmgen.resolve import resolve
from llmgen.targets import TARGETS
from llmgen.targets.services import services

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "000b": "no target writes requests; `llmgen unload` meets the real llama-swap in tests/operate",
    "001a": "no target is a daemon; `llmgen guard` is tested in tests/operate",
    "001b": "no target stops processes; `llmgen down` is tested in tests/operate",
    "004b": "aliases are routed by a running Envoy in tests/live",
    "004f": "llmgen writes nothing for Kubernetes",
    "004j": "no target writes firewall rules; `llmgen firewall` is tested in tests/gateway",
}
HEAD = """
edition = 1
[hardware]
profile = "nvidia-80gb"
[paths]
home = "/home/ada"
"""
CHAT = """
[models.gpt-oss-120b]
model = "gpt-oss-120b-GGUF/gpt-oss-120b-mxfp4-00001-of-00003.gguf"
ctx_size = "32K"
"""
SMALL = """
[models."qwen3-8b"]
model = "Qwen3-8B-Q4_K_M.gguf"
ctx_size = 8192
"""
EMBED = """
[models."qwen3-embedding-0.6b"]
role = "embedding"
model = "Qwen3-Embedding-0.6B-GGUF/Qwen3-Embedding-0.6B-Q8_0.gguf"
ctx_size = 8192
parallel = 4
"""


@pytest.fixture(scope="module")
def facts():
    locks = sorted((ROOT / "tests" / "cases").glob("*/llm.lock"))
    return {ref: found for path in locks for ref, found in read_lock(path).facts.items()}


@pytest.fixture
def plan(facts):
    def make(text, head=HEAD):
        whole = head + text
        source = Source("llm.toml", whole, tomllib.loads(whole))
        return place(resolve(load((source,)), facts))

    return make


@pytest.fixture
def repository(facts):
    return place(resolve(load((read(str(ROOT / "llm.toml")),)), facts))


def tree(plan, names=tuple(TARGETS)):
    render = make_render()
    return {
        str(item.path): item.content.decode()
        for name in names
        for item in TARGETS[name].artifacts(plan, render)
    }


def swap(plan):
    return read_yaml(tree(plan, ["llama-swap"])["llama-swap/config.yaml"])


def units(plan):
    return {path: text for path, text in tree(plan).items() if path.endswith(".service")}


def test_every_fault_is_named_once():
    tested = {name[5:9] for name in globals() if re.match(r"test_\d{3}[a-l]_", name)}
    letters = {"000": "abcde", "001": "abcde", "002": "abcdef", "004": "abcdefghijkl"}
    faults = {stack + letter for stack, found in letters.items() for letter in found}
    assert tested | set(ELSEWHERE) == faults
    assert tested & set(ELSEWHERE) == set()


def test_000a_asking_for_the_embedder_leaves_the_chat_model_loaded(plan):
    found = swap(plan(CHAT + EMBED + 'keep = "on_demand"\npin = true\n'))
    matrix = found["routing"]["router"]["settings"]["matrix"]
    assert families(matrix) == {frozenset({"gpt-oss-120b", "qwen3-embedding-0.6b"})}
    assert found["models"]["qwen3-embedding-0.6b"]["ttl"] == 0


def test_000c_windows_and_grouped_heads_are_counted(plan):
    item = plan(CHAT.replace('"32K"', "131072")).placements[0]
    plain = structs.replace(item.settings, parallel=1, kv_unified=False)
    found = estimate(item.model.facts, plain, 11434)
    context = sum(one.context for one in found.memory)
    # features.md §2: about 4.8 GB in f16 at 131072, not the 128 GB class of the old advice.
    assert context == pytest.approx(4.8e9, rel=0.03)


def test_000d_mlock_is_said_in_the_builds_own_words(plan):
    (model,) = swap(plan(SMALL + 'load_mode = "mlock"\n'))["models"].values()
    assert "--load-mode mlock" in model["cmd"]
    assert "--mlock" not in split(model["cmd"])
    with pytest.raises(ConfigError, match="--mlock"):
        plan(SMALL + 'extra_args = ["--mlock"]\n')


def test_000e_no_path_depends_on_a_working_directory(plan):
    for model in swap(plan(SMALL))["models"].values():
        words = split(model["cmd"])
        assert words[0].startswith("/")
        assert words[words.index("--model") + 1].startswith("/home/ada/models/")
    with pytest.raises(ConfigError, match="is not an absolute path"):
        plan(SMALL, HEAD + 'models = "models"\n')


def test_001c_the_listen_address_is_where_llama_swap_reads_it(plan):
    found = plan(SMALL + "[services.llama_swap]\nport = 5847\n")
    assert "listen" not in swap(found)
    (unit,) = (text for path, text in units(found).items() if "swap" in path)
    assert "-listen 127.0.0.1:5847" in unit


def test_001d_what_does_not_fit_is_refused(plan):
    with pytest.raises(PlanError):
        plan(CHAT, HEAD.replace("nvidia-80gb", "nvidia-24gb"))


def test_001e_an_argument_may_have_spaces(plan):
    words = ["--log-file", "/var/log/my models/it's.log"]
    text = SMALL + f"extra_args = {json.dumps(words)}\n"
    (model,) = swap(plan(text))["models"].values()
    found = split(model["cmd"])
    assert found[found.index("--log-file") :][:2] == words
    (unit,) = (
        text for path, text in units(plan(text + 'keep = "always"\n')).items() if "model" in path
    )
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    assert split_exec_start(command.partition("=")[2])[-2:] == words


def test_002a_run_time_variables_reach_the_running_server(plan):
    head = HEAD.replace(
        "[paths]", '[hardware.environment]\nGGML_CUDA_ENABLE_UNIFIED_MEMORY = "1"\n[paths]'
    )
    found = plan(SMALL + EMBED, head)
    assert "GGML_CUDA_ENABLE_UNIFIED_MEMORY=1" in swap(found)["models"]["qwen3-8b"]["env"]
    (conf,) = (text for path, text in tree(found).items() if path.endswith(".conf"))
    assert read_environment_file(conf)["GGML_CUDA_ENABLE_UNIFIED_MEMORY"] == "1"


def test_002b_the_model_file_is_named_in_one_place(plan):
    before = "\n".join(tree(plan(SMALL)).values())
    after = "\n".join(
        tree(plan(SMALL.replace("Qwen3-8B-Q4_K_M", "Llama-3.1-8B-Instruct-Q4_K_M"))).values()
    )
    assert "Qwen3-8B-Q4_K_M.gguf" in before
    assert "Qwen3-8B-Q4_K_M.gguf" not in after
    assert "Llama-3.1-8B-Instruct-Q4_K_M.gguf" in after


def test_002c_temperature_is_not_threads(plan):
    (model,) = swap(plan(SMALL + '[models."qwen3-8b".sampling]\ntemp = 0.1\n'))["models"].values()
    assert "--temp 0.1" in model["cmd"]
    with pytest.raises(ConfigError, match="threads"):
        plan(SMALL + "threads = 0.1\n")
    with pytest.raises(ConfigError, match="-t"):
        plan(SMALL + 'extra_args = ["-t", "0.1"]\n')


def test_002d_layers_that_the_model_does_not_have_are_not_counted(plan):
    most = plan(CHAT + "n_gpu_layers = 70\n").placements[0]
    every = plan(CHAT).placements[0]
    assert most.estimate.memory == every.estimate.memory


def test_002e_health_is_asked_of_the_server(plan):
    (model,) = swap(plan(SMALL))["models"].values()
    assert model["checkEndpoint"] == "/health"


def test_002f_an_embedders_physical_batch_holds_one_input(plan):
    item = plan(EMBED).placements[0]
    assert item.settings.ubatch_size >= item.estimate.n_ctx_seq
    assert item.settings.batch_size >= item.settings.ubatch_size


def test_003_router_and_llama_swap_say_the_same_and_both_are_limited(plan):
    found = tree(plan(SMALL))
    (model,) = read_yaml(found["llama-swap/config.yaml"])["models"].values()
    words = split(model["cmd"])
    section = dict(
        line.split(" = ", 1)
        for line in found["llama-server/models.ini"].splitlines()
        if " = " in line and not line.startswith(("version", "stop-timeout"))
    )
    for key, value in section.items():
        if value not in ("true", "false"):
            assert words[words.index(f"--{key}") + 1] == value
    assert all(item.memory_bytes > 0 for item in services(plan(SMALL)))


def test_004a_every_yaml_file_is_yaml(repository):
    found = {path: text for path, text in tree(repository).items() if path.endswith(".yaml")}
    assert len(found) >= 3
    assert all(isinstance(read_yaml(text), dict) for text in found.values())


def test_004c_a_conf_is_safe_in_a_shell(plan, tmp_path):
    text = EMBED + 'environment = { NOTE = "a b; echo `id` $HOME \\"x\\" it\'s" }\n'
    (conf,) = (item for path, item in tree(plan(text)).items() if path.endswith(".conf"))
    (tmp_path / "x.conf").write_text(conf)
    done = subprocess.run(
        ["bash", "-c", f'set -aeu; . {tmp_path}/x.conf; printf %s "$NOTE"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == read_environment_file(conf)["NOTE"] == 'a b; echo `id` $HOME "x" it\'s'
    assert done.stderr == ""


def test_004d_start_limits_are_in_the_unit_section(repository):
    for text in units(repository).values():
        unit, service = text.split("[Service]")
        assert "StartLimitIntervalSec=" in unit
        assert "StartLimit" not in service


def test_004e_rerank_rows_and_aliases_of_litellm(repository):
    rows = read_yaml(tree(repository)["litellm/config.yaml"])["model_list"]
    names = [row["model_name"] for row in rows]
    assert len(names) == len(set(names))
    rerank = [row for row in rows if "rerank" in row["model_name"]]
    assert rerank
    assert not any(row["litellm_params"]["model"].startswith("openai/") for row in rerank)


def test_004g_the_headline_context_is_refused_by_real_arithmetic(facts, plan):
    (big,) = (found for ref, found in facts.items() if "Devstral-2-123B" in ref)
    text = """
[models.devstral-2-123b]
model = "Devstral-2-123B-Instruct-2512-GGUF/Devstral-2-123B-Instruct-2512-Q4_K_M.gguf"
ctx_size = "256K"
cache_type_k = "q8_0"
cache_type_v = "q8_0"
"""
    strix = HEAD.replace("nvidia-80gb", "strix-halo-128gb")
    with pytest.raises(PlanError, match="devstral-2-123b"):
        plan(text, strix)
    fits = plan(text.replace('"256K"', '"8K"'), strix).placements[0]
    found = estimate(big, structs.replace(fits.settings, ctx_size=262144), 11434)
    # features.md §2: 50.2 GB by grouped-query arithmetic; the old rule said 567 GB or 14 GB.
    assert sum(one.context for one in found.memory) == pytest.approx(50.2e9, rel=0.005)


def test_004h_a_slot_is_told_what_it_really_has(plan):
    text = EMBED.replace("ctx_size = 8192", "ctx_size = 2048")
    found = plan(text)
    item = found.placements[0]
    assert item.estimate.n_ctx_seq == 512
    assert "| 4 | 2K | 512 |" in tree(found)["CONFIGURATION.md"]
    assert "--pooling" not in item.argv
    assert found.notes == ()
    for keys, code in (("ctx_size = 512", "short-input"), ('pooling = "mean"', "other-pooling")):
        asked = text.replace("ctx_size = 2048", keys)
        assert f"models.{code}" in [note.code for note in plan(asked).notes]


def test_004i_no_backend_is_reachable_from_outside(repository):
    found = tree(repository)
    for path, text in found.items():
        if path.startswith("llama-server/") and path.endswith(".conf"):
            assert read_environment_file(text)["LLAMA_ARG_HOST"] == "127.0.0.1"
    for model in read_yaml(found["llama-swap/config.yaml"])["models"].values():
        words = split(model["cmd"])
        assert words[words.index("--host") + 1] == "127.0.0.1"
    # A container's own network is not the machine's: there, what is published counts.
    inside = ("compose/", "quadlet/")
    assert not any("0.0.0.0" in text for path, text in found.items() if not path.startswith(inside))
    services = read_yaml(found["compose/compose.yaml"])["services"].values()
    published = [*chain(*(item.get("ports", ()) for item in services))]
    quadlets = re.findall(r"^PublishPort=(.*)$", "\n".join(found.values()), re.MULTILINE)
    assert published
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}
    assert quadlets
    assert all(port.startswith("127.0.0.1:") for port in quadlets)


def test_004k_one_setting_is_the_same_in_every_file(plan):
    found = tree(plan(SMALL.replace("8192", "6144")))
    assert "--ctx-size 6144" in found["llama-swap/config.yaml"]
    assert '"context": 6144' in found["llama-swap/config.yaml"]
    assert "ctx-size = 6144" in found["llama-server/models.ini"]
    assert "| 6K | 6K |" in found["CONFIGURATION.md"]


def test_004l_the_file_that_is_served_is_the_file_that_is_locked(repository):
    for item in repository.placements:
        served = item.argv[item.argv.index("--model") + 1]
        assert served == f"/home/llm/models/{item.model.facts.files[0].name}"
