"""config.yaml passes llama-swap's schema, its loader's rules, and avoids its traps."""

import plans
import pytest
from msgspec.structs import replace
from readers.llama_swap_rules import families, problems, split
from yaml_reader import read_yaml

from llmgen.errors import PlanError
from llmgen.plan.plan import Group, Groups
from llmgen.render.environment import make_render
from llmgen.targets import llama_swap

PAIR = [("big", "small/coder")]


def rendered(text=plans.STACK, **more):
    (found,) = llama_swap.artifacts(plans.plan(text, **more), make_render())
    return found.content.decode()


def config(text=plans.STACK, **more):
    return read_yaml(rendered(text, **more))


@pytest.mark.parametrize("version", [202, 224, 225, 240, 250])
@pytest.mark.parametrize("sets", [(), PAIR])
def test_nothing_is_wrong_with_it(version, sets):
    text = plans.STACK + f"[targets.llama_swap]\nversion = {version}\n"
    assert problems(rendered(text, together=sets)) == []


def test_a_key_like_a_number_stays_a_name():
    text = '[models."1e3"]\nmodel = "a.gguf"\naliases = ["08", "true", "2024-01-01"]\n'
    found = config(text)["models"]
    assert list(found) == ["1e3"]
    assert found["1e3"]["aliases"] == ["08", "true", "2024-01-01"]
    assert problems(rendered(text)) == []


def test_command_is_the_placement_word_for_word():
    plan = plans.plan()
    (found,) = llama_swap.artifacts(plan, make_render())
    models = read_yaml(found.content)["models"]
    for name, model in models.items():
        port = ("--host", "127.0.0.1", "--port", "${PORT}")
        assert tuple(split(model["cmd"])) == (*plan.placement(name).argv, *port)


def test_matrix_stands_for_the_sets_of_the_plan():
    matrix = config(together=PAIR)["routing"]["router"]["settings"]["matrix"]
    assert families(matrix) == {frozenset({"big", "small/coder"})}


GROUPS = Groups((Group("kept", ("small/coder",), swap=False), Group("swap1", ("big",), swap=True)))


@pytest.mark.parametrize("version", [202, 250])
def test_groups_are_said_in_full(version):
    text = plans.STACK + f"[targets.llama_swap]\nversion = {version}\n"
    found = config(text, engine=GROUPS)
    groups = found["groups"] if version == 202 else found["routing"]["router"]["settings"]["groups"]
    # llama-swap's own defaults would let one group unload the other.
    assert groups == {
        "kept": {
            "swap": False,
            "exclusive": False,
            "persistent": True,
            "members": ["small/coder"],
        },
        "swap1": {"swap": True, "exclusive": False, "persistent": True, "members": ["big"]},
    }
    assert problems(rendered(text, engine=GROUPS)) == []


def test_older_version_gets_the_older_spelling():
    found = config(plans.STACK + "[targets.llama_swap]\nversion = 224\n")
    assert "routing" not in found
    assert found["matrix"]["sets"] == {"s001": "m1", "s002": "m2"}
    assert "capabilities" not in found["models"]["big"]


def test_context_of_a_slot_is_told_to_clients():
    found = config()["models"]["big"]
    assert found["capabilities"]["context"] == 65536 // 2


def test_variant_is_another_name_of_the_same_process():
    found = config()["models"]
    assert found["big"]["filters"]["setParamsByID"]["big:think"] == {
        "temperature": 0.2,
        "chat_template_kwargs": {"enable_thinking": True},
    }
    assert "big:think" not in found


def test_pinned_model_never_idles_out():
    assert config()["models"]["small/coder"]["ttl"] == 0
    assert config()["models"]["big"]["ttl"] == 600


def test_pinned_model_idles_out_where_its_own_table_says_so():
    text = plans.STACK.replace("pin = true", 'pin = true\nttl = "5m"')
    assert config(text)["models"]["small/coder"]["ttl"] == 300
    usual = plans.STACK + '[defaults]\nttl = "1h"\n'
    assert config(usual)["models"]["small/coder"]["ttl"] == 0


def test_always_on_servers_are_peers():
    (embed, rank) = config()["peers"].values()
    assert embed["models"] == ["embed", "text-embedding-3-small"]
    assert embed["proxy"] == "http://127.0.0.1:9001"
    # llama-swap gives a peer 60 s for its first byte, which a long prompt can take.
    assert rank["timeouts"] == {"responseHeader": 0}


def test_secrets_are_references():
    found = config()
    assert found["apiKeys"] == ["${env.SERVER_KEY}"]
    assert "TOKEN=${env.LLMGEN_SECRET_ETC_TOKEN}" in found["models"]["small/coder"]["env"]


def test_two_keys_at_once_are_refused():
    text = plans.STACK.replace('api_keys = [{ env = "SERVER_KEY" }]', 'api_keys = [{ env = "X" }]')
    with pytest.raises(PlanError, match="its own key and `api_key`"):
        rendered(text)


@pytest.mark.parametrize(
    "line", ['description = "${nobody}"', 'extra_args = ["--log-file", "/tmp/${USER}.log"]']
)
def test_text_that_llama_swap_would_expand_is_refused(line):
    with pytest.raises(PlanError, match="is a macro to llama-swap"):
        rendered(f'[models.a]\nmodel = "a.gguf"\n{line}\n')


def test_long_load_is_waited_for():
    slow = plans.HEAD.replace('disk_bandwidth = "2GiB"', "disk_bandwidth = 1000")
    assert config()["healthCheckTimeout"] == 120
    assert config(head=slow)["healthCheckTimeout"] > 600
    told = plans.STACK.replace(
        "[services.llama_swap]", "[services.llama_swap]\nhealth_check_timeout = 77"
    )
    assert config(told)["healthCheckTimeout"] == 77


def test_slots_set_how_many_requests_wait():
    text = '[models.a]\nmodel = "a.gguf"\nparallel = 8\n[models.b]\nmodel = "b.gguf"\n'
    found = config(text)["models"]
    assert (found["a"]["concurrencyLimit"], found["b"]["concurrencyLimit"]) == (32, 10)


def test_no_on_demand_model_no_file():
    text = '[models.e]\nmodel = "e.gguf"\nrole = "embedding"\n'
    assert [*llama_swap.artifacts(plans.plan(text), make_render())] == []


def test_router_leaves_the_file_uninstalled():
    text = '[services]\non_demand = "router"\n[models.a]\nmodel = "a.gguf"\n'
    (found,) = llama_swap.artifacts(plans.plan(text), make_render())
    assert found.install is None
    assert "routing" not in read_yaml(found.content)


def test_what_llama_swap_cannot_hold_is_left_out_where_it_does_not_run():
    text = '[services]\non_demand = "router"\n[models.a]\nmodel = "a.gguf"\ndescription = "${x}"\n'
    assert [*llama_swap.artifacts(plans.plan(text), make_render())] == []


def test_it_may_run_for_others_where_nothing_is_loaded_on_demand():
    text = plans.STACK.replace("[services.llama_swap]", "[services.llama_swap]\nalways = true")
    plan = plans.plan(text)
    always = [item for item in plan.placements if item.keep == "always"]
    alone = replace(plan, placements=tuple(always), engines={}, states=plan.states[:1])
    assert alone.loader.name == "llama_swap"
    (found,) = llama_swap.artifacts(alone, make_render())
    assert read_yaml(found.content)["models"] == {}
    assert problems(found.content.decode()) == []
