"""What .conf files and models.ini say, and what models.ini cannot say."""

import plans
import pytest
from readers.systemd_syntax import read_environment_file

from llmgen.errors import PlanError
from llmgen.render.environment import make_render
from llmgen.targets import llama_server

ROUTER = '[services]\non_demand = "router"\n'
ODD = '[models.a]\nmodel = "a.gguf"\nextra_args = ["--log-file", "a;b"]\n'


def files(text=plans.STACK):
    found = llama_server.artifacts(plans.plan(text), make_render())
    return {item.path.name: item for item in found}


def text_of(item):
    return item.content.decode()


def test_one_conf_for_each_always_on_model():
    assert list(files()) == ["embed.conf", "rank.conf", "models.ini"]


def test_conf_has_every_memory_option():
    found = read_environment_file(text_of(files()["embed.conf"]))
    assert found["LLAMA_ARG_CTX_SIZE"] == "2048"
    assert found["LLAMA_ARG_KV_UNIFIED"] == "false"
    assert found["LLAMA_ARG_FIT"] == "off"
    assert found["LLAMA_ARG_CACHE_RAM"] == "0"
    assert found["LLAMA_ARG_N_GPU_LAYERS"] == "all"


def test_conf_names_its_secrets_without_their_values():
    conf = text_of(files()["embed.conf"])
    assert "# The environment must have the secret $LLAMA_API_KEY\n" in conf
    assert "SERVER_KEY" not in conf


def test_conf_says_which_command_it_is_for():
    text = '[models.e]\nmodel = "e.gguf"\nrole = "embedding"\nembd_normalize = -1\n'
    conf = text_of(files(text)["e.conf"])
    assert "#   /usr/local/bin/llama-server --embd-normalize -1\n" in conf


def test_what_the_ini_cannot_hold_is_refused_where_the_router_runs():
    with pytest.raises(PlanError, match="begin a comment"):
        files(ROUTER + ODD)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ('"-r", "a", "-r", "b"', "stands twice"),
        ('"--control-vector-layer-range", "1", "2"', "has 2 values"),
    ],
)
def test_free_words_that_no_preset_holds_are_refused_there(words, why):
    with pytest.raises(PlanError, match=why):
        files(f'{ROUTER}[models.a]\nmodel = "a.gguf"\nextra_args = [{words}]\n')


def test_samplers_are_letters_in_the_ini_where_a_comment_would_begin():
    text = '[models.a]\nmodel = "a.gguf"\nsampling = { samplers = ["top_k", "min-p", "temp"] }\n'
    ini = text_of(files(ROUTER + text)["models.ini"])
    assert "\nsampler-seq = kmt\n" in ini
    assert "\nsamplers" not in ini


def test_switches_and_repeats_of_free_words_in_the_ini():
    words = '"--no-warmup", "--keep", "1", "--perf", "--keep", "-1"'
    text = f'[models.a]\nmodel = "a.gguf"\nextra_args = [{words}]\n'
    ini = text_of(files(ROUTER + text)["models.ini"])
    assert "\nno-warmup = true\nkeep = -1\nperf = true\n" in ini


def test_what_the_ini_cannot_hold_is_left_out_elsewhere():
    found = files(ODD + '[models.b]\nmodel = "b.gguf"\n')["models.ini"]
    assert "; [a] is left out:" in text_of(found)
    assert "\n[b]\n" in text_of(found)
    assert found.install is None


def test_name_with_a_colon_becomes_an_alias():
    """The router reads what follows a colon as a tag, and writes it in capitals."""
    found = text_of(
        files(ROUTER + '[models."qwen3:8b"]\nmodel = "a.gguf"\naliases = ["q"]\n')["models.ini"]
    )
    assert "\n[qwen3-8b]\n" in found
    assert "\nalias = qwen3:8b,q\n" in found


def test_router_gets_no_option_that_it_sets_itself():
    found = text_of(files(ROUTER + '[models.a]\nmodel = "a.gguf"\n')["models.ini"])
    assert not any(line.startswith(("alias", "host", "port")) for line in found.splitlines())


def test_preload_is_the_routers_own_key():
    found = text_of(files(ROUTER + '[models.a]\nmodel = "a.gguf"\npreload = true\n')["models.ini"])
    assert "\nload-on-startup = true\n" in found
