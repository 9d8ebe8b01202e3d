"""Command lines: every memory option is there, in words that the aimed build knows."""

import sys
from pathlib import Path

import pytest
from msgspec import structs

sys.path.append(str(Path(__file__).parent.parent / "targets"))
import plans

from llmgen.budget.settings import DraftSettings
from llmgen.options import BY_FLAG, spelled
from llmgen.plan.command import argv, assignments, ini, variables

# The flags that move memory; the model that leaves them all out has them on its command line.
ALWAYS = {
    "--ctx-size",
    "--parallel",
    "--no-kv-unified",
    "--batch-size",
    "--ubatch-size",
    "--flash-attn",
    "--cache-type-k",
    "--cache-type-v",
    "--n-gpu-layers",
    "--device",
    "--kv-offload",
    "--cache-ram",
    "--ctx-checkpoints",
    "--fit",
}
MINIMAL = '[models.a]\nmodel = "a.gguf"\n'


def words(text=MINIMAL, build=11434, port=0, **changed):
    library = plans.library(text + f"[llama_cpp]\nbuild = {build}\n")
    model = library.models[0]
    settings = structs.replace(model.settings, **changed)
    return argv(model, settings, library, port=port)


def option(found, flag):
    return found[found.index(flag) + 1]


def test_a_minimal_model_says_everything_that_moves_memory():
    assert {*filter(spelled, words())} >= ALWAYS
    assert option(words(), "--fit") == "off"


@pytest.mark.parametrize("build", [9464, 10104, 10105, 10364, 11434])
@pytest.mark.parametrize("mode", ["auto", "none", "mmap", "mlock", "mmap+mlock", "dio"])
def test_no_flag_that_the_build_does_not_know(build, mode):
    found = words(build=build, load_mode=mode)
    assert all(BY_FLAG[word].known_to(build) for word in filter(spelled, found))


def test_older_builds_get_the_older_words():
    assert "--no-mmap" in words(build=10104, load_mode="none")
    assert option(words(build=10105, load_mode="none"), "--load-mode") == "none"
    assert "--load-mode" not in words(build=10105)
    assert option(words(build=10364), "--load-mode") == "auto"


def test_model_without_a_device_takes_none():
    assert option(words(devices=()), "--device") == "none"


def test_all_layers_are_said_so():
    assert option(words(), "--n-gpu-layers") == "all"
    assert option(words(n_gpu_layers=7), "--n-gpu-layers") == "7"


def test_cache_is_in_whole_mebibytes():
    assert option(words(cache_ram_bytes=3 * 2**19), "--cache-ram") == "1"
    assert option(words(cache_ram_bytes=-1), "--cache-ram") == "-1"


def test_shares_and_buffers_use_the_servers_words():
    found = words(tensor_split=(3.0, 0.5), override_tensor=(("exps", "CPU"), ("blk", "gpu0")))
    assert option(found, "--tensor-split") == "3,0.5"
    assert option(found, "--override-tensor") == "exps=CPU,blk=Vulkan0"
    assert option(words(n_cpu_moe=4), "--n-cpu-moe") == "4"


@pytest.mark.parametrize(("count", "layers"), [(2, r"blk\.(0|1)"), (999, "")])
def test_experts_are_looked_for_after_other_expressions(count, layers):
    found = words(override_tensor=(("a", "gpu0"),), n_cpu_moe=count)
    experts = rf"{layers}\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"
    assert option(found, "--override-tensor") == f"a=Vulkan0,{experts}"
    assert "--n-cpu-moe" not in found


def test_draft_is_spelled_as_builds_of_the_range_know_it():
    found = words(draft=DraftSettings("draft-mtp", 3, "q8_0", "f16", -1, ("gpu0",)))
    assert option(found, "--spec-type") == "draft-mtp"
    assert option(found, "--spec-draft-n-max") == "3"
    assert option(found, "--spec-draft-type-k") == "q8_0"
    assert option(found, "--spec-draft-device") == "Vulkan0"


def test_own_port_stays_on_loopback():
    found = words(port=9001)
    assert (option(found, "--host"), option(found, "--port")) == ("127.0.0.1", "9001")
    assert "--port" not in words()


def test_free_words_come_last():
    assert words(MINIMAL + 'extra_args = ["--verbosity", "2"]\n')[-2:] == ("--verbosity", "2")


def test_adapters_are_one_list():
    text = MINIMAL + (
        'lora = [{ path = "a,b.lora.gguf" }, { path = "c.lora.gguf", scale = 0.5 }, '
        '{ path = "d.lora.gguf" }]\n'
    )
    assert option(words(text), "--lora") == '"/srv/models/a,b.lora.gguf",/srv/models/d.lora.gguf'
    assert option(words(text), "--lora-scaled") == "/srv/models/c.lora.gguf:0.5"


def test_what_has_no_variable_stays_a_word():
    text = MINIMAL + '[models.a.sampling]\ntop_n_sigma = 1.5\nsamplers = ["top_k", "min_p"]\n'
    library = plans.library(text)
    found = assignments(library.models[0], library.models[0].settings, library)
    named, rest = variables(found, 11434)
    assert rest == ("--samplers", "top_k;min_p", "--top-nsigma", "1.5")
    assert dict(named)["LLAMA_ARG_KV_UNIFIED"] == "false"
    assert "LLAMA_ARG_SWA_FULL" not in dict(named)


def test_older_build_gets_a_word_where_the_variable_is_new():
    library = plans.library(MINIMAL + "[models.a.sampling]\ntemp = 0.5\n")
    found = assignments(library.models[0], library.models[0].settings, library)
    assert variables(found, 11434)[1] == ()
    assert variables(found, 10500)[1] == ("--temp", "0.5")


def test_free_words_become_keys_of_the_ini():
    assert ini((), ["--verbosity", "-1", "--log-timestamps", "--n-x", "3"]) == (
        ("verbosity", "-1"),
        ("log-timestamps", "true"),
        ("n-x", "3"),
    )
