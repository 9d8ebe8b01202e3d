"""A plan of several engines: numbers with their basis, advice, commands, services, doctor."""

import json
import shlex

import pytest
import yaml
from making import HEAD
from plan_of import planned, rendered

from llmgen.cli.view import view
from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.doctor.observations import Ran, Seen
from llmgen.doctor.rules import options, programs
from llmgen.errors import PlanError
from llmgen.layout import layout
from llmgen.models.inventory import unneeded
from llmgen.plan.basis import declared
from llmgen.plan.proof import proof_document
from llmgen.targets.services import services

GIB = 2**30
CHAT = '[models.chat]\nmodel = "a.gguf"\n'
VLLM = """
[models.big]
engine = "vllm"
hf_repo = "org/big"
gpu_memory_utilization = 0.5
memory = { host = "3GiB" }
"""
VOICE = """
[models.voice]
engine = "command"
cmd = "/opt/tts --port ${PORT} --name ${MODEL_ID} --words 'a b'"
serves = ["speech", "transcription"]
memory = { gpu0 = "4GiB", host = "1GiB" }
"""


def test_every_number_has_a_basis_and_sums_on_declared_ones_are_named():
    plan = planned(HEAD + CHAT + VLLM + VOICE)
    rows = {item.name: item for item in view(plan).models}
    assert {*rows["chat"].basis.values()} == {"computed"}
    assert rows["big"].basis == {"gpu0": "reserved", "host": "declared"}
    assert rows["voice"].basis == {"gpu0": "declared", "host": "declared"}
    assert declared(plan) == {"host": ("big", "voice"), "gpu0": ("voice",)}
    document = proof_document(plan)
    assert document["models"]["big"]["basis"] == {"gpu0": "reserved", "host": "declared"}
    assert document["declared"]["gpu0"] == ["voice"]
    assert "basis" not in document["models"]["chat"]


def test_a_stack_of_llama_servers_alone_says_nothing_of_bases():
    plan = planned(HEAD + CHAT)
    assert "declared" not in proof_document(plan)
    assert view(plan).resting == ""


def test_a_declared_footprint_is_the_whole_process():
    """No overhead and no margin is put on top of it."""
    head = HEAD.replace('process_overhead = "0"', 'process_overhead = "700MiB"')
    found = planned(head + CHAT + VOICE).placement("voice")
    assert found.footprint == {"host": GIB, "gpu0": 4 * GIB}


def test_a_model_that_is_alone_may_have_everything():
    found = planned(HEAD + VOICE.replace("memory =", "#"))
    assert found.placement("voice").footprint == {"host": 30 * GIB, "gpu0": 24 * GIB - 512 * 2**20}


def test_all_is_never_beside_another():
    text = VOICE.replace("memory = {", 'memory = "all" #')
    states = [{*state.models} for state in planned(HEAD + CHAT + text).states]
    assert states == [{"chat"}, {"voice"}]


def test_too_much_is_refused_with_its_arithmetic_and_advice_that_no_engine_needs():
    big = VOICE.replace("4GiB", "20GiB").replace("[models.voice]", "[models.other]")
    with pytest.raises(PlanError) as refused:
        planned(HEAD + VOICE + 'keep = "always"\n' + big + 'keep = "always"\n')
    first = refused.value.diagnostics[0]
    assert first.code == "budget.device-full"
    assert any("declared 20.0 GiB" in note for note in first.notes)
    assert 'keep = "on_demand"' in str(first.hint)


def test_llama_swap_splits_the_command_into_the_words_of_llm_toml():
    text = rendered(planned(HEAD + CHAT + VOICE), "llama-swap")["llama-swap/config.yaml"]
    lines = text.partition('"voice":\n    "cmd": |\n')[2].partition('    "proxy"')[0]
    words = shlex.split(lines.replace("${PORT}", "10002"))
    assert words == ["/opt/tts", "--port", "10002", "--name", "voice", "--words", "a b"]


def test_a_service_is_told_its_port():
    plan = planned(HEAD + VOICE + 'keep = "always"\nport = 9555\n')
    (service,) = services(plan)
    assert service.argv[:5] == ("/opt/tts", "--port", "9555", "--name", "voice")
    assert service.summary == "command: voice"


def test_devices_that_are_not_the_models_are_hidden_from_it():
    head = HEAD.replace("[{", '[{ memory = "24GiB" }, {')
    order, pair = planned(head + VLLM + 'device = ["gpu1"]\n').placement("big").environment
    # By the numbers of nvidia-smi, not by speed.
    assert order == ("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert pair == ("CUDA_VISIBLE_DEVICES", "1")
    ear = '[models.ear]\nengine = "whisper"\nmodel = "w.bin"\nmemory = { host = "1GiB" }\n'
    hidden = dict(planned(head + CHAT + ear).placement("ear").environment)
    assert hidden["CUDA_VISIBLE_DEVICES"] == ""


def test_doctor_misses_the_runtime_of_a_container():
    plan = planned(HEAD + VLLM + 'container.image = "vllm/vllm-openai"\n')
    wanted = programs.needed(plan)
    assert wanted["big"] == "podman"
    assert "llama_server" not in wanted
    found = [*programs.present(plan, Seen(programs={"llama_swap": True, "big": False}))]
    (missing,) = [item for item in found if item.subject == "podman"]
    assert "leave `container` out of [models.big]" in missing.fix


def test_doctor_asks_a_llama_server_of_its_own_for_its_options():
    plan = planned(HEAD + CHAT + 'llama_server = "/opt/ik/llama-server"\n')
    assert plan.placement("chat").argv[0] == "/opt/ik/llama-server"
    help_text = "--model FNAME  the model\n"
    seen = Seen(ran={"/opt/ik/llama-server --help": Ran(0, help_text)})
    (finding,) = options.known(plan, seen)
    assert "--ctx-size" in finding.observed
    assert "/opt/ik/llama-server" in finding.fix


def test_plan_json_is_the_only_file_with_the_engine_of_a_model():
    text = rendered(planned(HEAD + CHAT + VOICE), "proof")["plan.json"]
    assert json.loads(text)["models"]["voice"]["engine"] == "command"


SEARCH = """
[models.rank]
engine = "tei"
role = "rerank"
hf_repo = "org/rank"
memory = { host = "1GiB" }
"""


@pytest.mark.parametrize(
    ("keep", "base"),
    [("always", "http://127.0.0.1:9001/rerank"), ("on_demand", "/upstream/rank/rerank")],
)
def test_litellm_asks_text_embeddings_inference_in_its_own_way(keep, base):
    text = HEAD + CHAT + SEARCH + f'keep = "{keep}"\n[gateway.litellm]\nenable = true\n'
    rows = yaml.safe_load(rendered(planned(text), "litellm")["litellm/config.yaml"])["model_list"]
    (row,) = [item["litellm_params"] for item in rows if item["model_name"] == "rank"]
    assert row["model"] == "huggingface/rank"
    assert row["api_base"].endswith(base)


def test_a_key_that_an_engine_does_not_ask_for_is_told():
    text = HEAD + CHAT + VLLM + VOICE + '[services]\napi_key = { env = "KEY" }\n'
    told = [item.message for item in planned(text).notes if item.code == "services.key-unasked"]
    assert len(told) == 1
    assert "`voice`" in told[0]
    swap = rendered(planned(text), "llama-swap")["llama-swap/config.yaml"]
    assert '"VLLM_API_KEY=${env.KEY}"' in swap


def test_a_model_too_large_for_its_card_is_told_without_words_of_context():
    with pytest.raises(PlanError) as refused:
        planned(HEAD + CHAT + VOICE.replace("4GiB", "40GiB"))
    hint = str(refused.value.diagnostics[0].hint)
    assert "`voice` alone takes 40.0 GiB of gpu0" in hint
    assert "context" not in hint


def test_files_of_other_engines_are_no_garbage():
    text = HEAD + (
        '[models.p]\nengine = "stable-diffusion"\ndiffusion_model = "flux.gguf"\n'
        't5xxl = "sub/t5.gguf"\nmemory = { host = "1GiB" }\n'
        '[models.c]\nengine = "command"\nmemory = { host = "1GiB" }\n'
        'cmd = "/x --model /home/llm/models/own.gguf --vae=/home/llm/models/vae.gguf"\n'
    )
    config = load([parse("llm.toml", text)])
    kept = ["flux.gguf", "sub/t5.gguf", "own.gguf", "vae.gguf"]
    where = layout(config.paths, "user")
    assert unneeded(config, {}, [*kept, "stray.gguf"], where) == ["stray.gguf"]
