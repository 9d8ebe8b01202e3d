"""Options in every form that llama-server has for them, and what repeats of them mean."""

import pytest

from llmgen.importing.acceptance import accepted
from llmgen.importing.arguments import preset_words, words_of
from llmgen.importing.command_line import keys_of
from llmgen.importing.sniff import from_text
from llmgen.importing.write import document

HARDWARE = {"profile": "nvidia-24gb"}


def keys(words):
    found, faults = keys_of("a", words.split())
    assert [item.message for item in faults] == []
    return found


def left_out(words):
    found, faults = keys_of("a", words if isinstance(words, list) else words.split())
    assert "extra_args" not in found
    return [item.message for item in faults]


@pytest.mark.parametrize("value", ["1", "0", "on", "off", "true", "false", "yes"])
def test_only_switches_take_words_for_on_and_off(value):
    assert preset_words({"parallel": value}) == ["--parallel", value]
    assert preset_words({"n": value}) == ["--n-predict", value]


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ({"kv-unified": "1"}, ["--kv-unified"]),
        ({"kvu": "off"}, ["--no-kv-unified"]),
        ({"no-kv-unified": "true"}, ["--no-kv-unified"]),
        ({"no-kv-unified": "0"}, ["--kv-unified"]),
        ({"swa-full": "0"}, []),
        ({"swa-full": "yes"}, ["--swa-full"]),
        ({"LLAMA_ARG_CTX_SIZE": "8"}, ["--ctx-size", "8"]),
        ({"c": "1", "ctx-size": "2"}, ["--ctx-size", "2"]),
        ({"evil": "1"}, []),
        ({"rope-scale": "2", "rope-freq-scale": "1"}, ["--rope-freq-scale", "1", "--rope-scale", "2"]),
        ({"mlock": "1", "no-mmap": "true"}, ["--mlock", "--no-mmap"]),
    ],
)  # fmt: skip
def test_keys_of_a_preset_become_the_words_that_the_router_gives_its_child(pairs, words):
    assert preset_words(pairs) == words


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LLAMA_ARG_N_PARALLEL", "1", ["--parallel", "1"]),
        ("LLAMA_ARG_KV_OFFLOAD", "0", ["--kv-offload=0"]),
        ("LLAMA_ARG_NO_KV_OFFLOAD", "0", ["--no-kv-offload"]),
        ("LLAMA_ARG_FLASH_ATTN", "1", ["--flash-attn", "1"]),
        ("LLAMA_ARG_DRAFT_MAX", "8", ["--draft-max", "8"]),
    ],
)
def test_variables_become_the_words_that_mean_the_same(name, value, words):
    assert words_of(name, value) == words


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("-np 1", {"parallel": 1}),
        ("-np -1", {"parallel": 4, "kv_unified": True}),
        ("-c 0", {"ctx_size": "max"}),
        ("-ngl all", {"n_gpu_layers": "all"}),
        ("-ngl auto", {"n_gpu_layers": "auto"}),
        ("-ngl 999", {"n_gpu_layers": "all"}),
        ("-fa -ngl 3", {"flash_attn": "on", "n_gpu_layers": 3}),
        ("-fa 0", {"flash_attn": "off"}),
        ("-fa -1", {"flash_attn": "auto"}),
        ("-cram 2048", {"cache_ram": "2048MiB"}),
        ("-dev none", {"device": []}),
        ("-ts 3/1", {"tensor_split": [3, 1]}),
        ("-s -1", {"sampling": {"seed": -1}}),
        ("--sampler-seq kpt", {"sampling": {"samplers": ["top_k", "top_p", "temperature"]}}),
        ("--samplers top_k;temp", {"sampling": {"samplers": ["top_k", "temp"]}}),
        ("--temp -1", {"sampling": {"temp": 0}}),
        ("--typical .5", {"sampling": {"typical_p": 0.5}}),
        ("--ctx_size 8", {"ctx_size": 8}),
        ("--mlock", {"load_mode": "mmap+mlock"}),
        ("-lm dio", {"load_mode": "dio"}),
        ("-md d.gguf -devd CUDA1", {"draft": {"model": "d.gguf", "device": ["CUDA1"]}}),
        ("-md d.gguf -devd none", {"draft": {"model": "d.gguf", "n_gpu_layers": 0}}),
        ("--keep -1 --perf", {"extra_args": ["--keep", "-1", "--perf"]}),
        ("--control-vector-layer-range 1 2", {"extra_args": ["--control-vector-layer-range", "1", "2"]}),
    ],
)  # fmt: skip
def test_values_are_what_the_servers_own_parser_makes_of_them(words, found):
    if "mlock" in words:
        assert keys_of("a", words.split())[0] == found
    else:
        assert keys(words) == found


def test_overrides_of_tensors_add_up_in_order():
    found = keys(r"-ot blk\.(3|4)\.ffn_.*=CUDA0 -ot exps=CPU,norm=CUDA0")
    assert found == {"override_tensor": [r"blk\.(3|4)\.ffn_.*=CUDA0", "exps=CPU", "norm=CUDA0"]}


def test_experts_named_before_an_override_come_before_it():
    experts = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"
    assert keys("-ncmoe 2 -ot a=CPU -ncmoe 3") == {
        "override_tensor": [rf"blk\.(0|1){experts}", "a=CPU"], "n_cpu_moe": 3,
    }  # fmt: skip
    assert keys("-cmoe -ot a=CPU") == {"override_tensor": [experts, "a=CPU"]}
    assert keys("-ncmoe 4 -ncmoe 2 -cmoe") == {"n_cpu_moe": 4, "cpu_moe": True}


def test_adapters_and_aliases_add_up():
    assert keys("--lora a.gguf --lora b.gguf,c.gguf --lora-scaled d.gguf:0.5")["lora"] == [
        {"path": "a.gguf"}, {"path": "b.gguf"}, {"path": "c.gguf"},
        {"path": "d.gguf", "scale": 0.5},
    ]  # fmt: skip
    assert keys("-a x,y -a z") == {"aliases": ["x", "y", "z"]}
    both = keys_of(
        "a", ["--chat-template-kwargs", '{"a": 1}', "--chat-template-kwargs", '{"b": 2}']
    )
    assert both == ({"chat_template_kwargs": {"a": 1, "b": 2}}, [])


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("-ts 1,2 -ts 3,4", {"tensor_split": [3, 4]}),
        ("-ctk q8_0 --cache-type-k q4_0", {"cache_type_k": "q4_0"}),
        ("--no-kv-offload --kv-offload", {"kv_offload": True}),
        ("--rope-scale 4 --rope-freq-scale 0.5", {"rope_freq_scale": 0.5}),
        ("--chat-template-file t.jinja --chat-template llama3", {"chat_template": "llama3"}),
        ("--keep 1 --keep 2", {"extra_args": ["--keep", "2"]}),
        ("-r a -r b", {"extra_args": ["-r", "a", "-r", "b"]}),
        ("--embedding --reranking", {"role": "rerank"}),
        ("--reranking --embedding", {"role": "rerank"}),
    ],
)
def test_of_other_options_the_last_one_counts(words, found):
    assert keys(words) == found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--override-kv a=int:1 --override-kv b=int:2", ["--override-kv a=int:1", "--override-kv b=int:2"]),
        ("--rpc h:1", ["--rpc h:1"]),
        ("-fitt 512", ["-fitt 512"]),
        ("-c 32k", ["-c 32k"]),
        ("-c", ["-c"]),
        ("-c --jinja", ["-c --jinja"]),
        ("--keep", ["--keep"]),
        ("--temp nan", ["--temp nan"]),
        ("-ot a", ["-ot a"]),
        ("--lora-scaled a", ["--lora-scaled a"]),
        (["--chat-template-kwargs", '{"a": null}'], ['--chat-template-kwargs {"a": null}']),
        ("--kv-unified=maybe", ["--kv-unified maybe"]),
        ("--grammar \n", ["--grammar"]),
        (["--log-file", "-c"], ["--log-file -c"]),
        ("--spec-ngram-size-n 3", ["--spec-ngram-size-n 3"]),
        ("--hf-repo x", ["--hf-repo x"]),
        ("--spec-type ngram-mod", ["--spec-type ngram-mod"]),
        ("--draft-max 8", ["spec_draft_n_max = 8"]),
        ("model.gguf", ["model.gguf"]),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_named(words, told):
    assert [message.split("`")[1] for message in left_out(words)] == told


def test_nobody_means_what_the_server_reads_of_a_size():
    assert left_out("-c 32k") == [
        "`-c 32k` of `a` is left out: llama-server reads 32 and drops `k`; 32768 was meant, perhaps"
    ]


PRESET = """
[*]
parallel = 1
c = 0
models-max = 3
fit-target = 512
no-warmup = 1
[a]
model = a.gguf
np = 2
device-draft = CUDA1
md = d.gguf
rpc = h:1
stop-timeout = 40
load-on-startup = 1
[b:q4_k_m]
hf = o/b
warmup = 1
"""


def test_a_preset_is_read_as_the_router_reads_it():
    part = from_text("models.ini", PRESET)
    assert part.tables == {
        ("services",): {"on_demand": "router", "stop_timeout": 40},
        ("defaults",): {"parallel": 1, "ctx_size": "max"},
        ("models", "a"): {
            "model": "a.gguf", "parallel": 2, "preload": True,
            "draft": {"model": "d.gguf", "device": ["CUDA1"]}, "extra_args": ["--no-warmup"],
        },
        ("models", "b:Q4_K_M"): {"hf_repo": "o/b", "extra_args": ["--warmup"]},
    }  # fmt: skip
    told = [item.message.split("`")[1] for item in part.faults]
    assert told == ["--models-max 3", "--fit-target 512", "--rpc h:1"]


@pytest.mark.parametrize(
    ("preset", "code"),
    [
        ("[a]\nm = a.gguf\nload-on-startup = yes", "neither-on-nor-off"),
        ("[a]\nm = a.gguf\nkv-unified = no", "neither-on-nor-off"),
        ("[a]\nm = a.gguf\nLLAMA_ARG_NO_KV_OFFLOAD = 1", "no-variable-in-preset"),
        ("[a]\nm = a.gguf\nc = 1\nctx-size = 2", "key-twice"),
        ("[a]\nm = a.gguf\nctx-sice = 2", "no-option"),
        ("[a]\nm = a.gguf\nstop-timeout = soon", "bad-value"),
    ],
)
def test_what_a_preset_does_not_mean_is_named(preset, code):
    assert [item.code for item in from_text("models.ini", preset).faults] == [f"import.{code}"]


@pytest.mark.parametrize(
    ("preset", "told", "keys"),
    [
        ("device-draft = CUDA1\nmd = d.gguf", "the draft of `a` is put on `CUDA1`, which local does not have", {"draft": {"model": "d.gguf"}}),
        ("np = 0", "`parallel` in [models.a] must be at least 1", {}),
        ("alias = b,c", "the name `b` is already taken", {"aliases": ["c"]}),
        ("split-mode = tensor", "`split_mode` in [models.a] must be", {}),
        ("ot = x=CPU,a b=CPU", "`override_tensor[1]` in [models.a] must be", {"override_tensor": ["x=CPU"]}),
        ("temp = 0.5\ntop-p = 3", "`top_p` in [models.a.sampling] must be at most 1", {"sampling": {"temp": 0.5}}),
    ],
)  # fmt: skip
def test_what_llm_toml_refuses_is_left_out_and_named(preset, told, keys):
    text = f"[a]\nm = a.gguf\n{preset}\n[b]\nm = b.gguf\n"
    part = accepted(from_text("models.ini", text), HARDWARE, home="/home/me")
    assert {**part.tables["models", "a"]} == {"model": "a.gguf", **keys}
    assert any(told in item.message for item in part.faults), part.faults
    again = accepted(part, HARDWARE, home="/home/me")
    assert again.tables == part.tables
    assert "edition" in document(again, HARDWARE, home="/home/me")


def test_a_section_without_a_model_stays_switched_off():
    part = accepted(from_text("models.ini", "[a]\nc = 8\n"), HARDWARE, home="/home/me")
    assert part.tables["models", "a"] == {"ctx_size": 8, "enable": False}
