"""Each host is an ordinary stack: what is its own, and the others' models behind their doors."""

import tomllib

import pytest
from fleet_stacks import HOSTS, made, read

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.errors import ConfigError, PlanError
from llmgen.fleet.bundle import bundle, config_text
from llmgen.fleet.text import Texts, text

TWO = """
[models.chat]
model = "chat.gguf"
host = "studio"
ctx_size = 8192
parallel = 2
aliases = ["gpt-4o"]
variants.chat-high.params = { temperature = 0.9 }
[models.embed]
model = "embed.gguf"
role = "embedding"
host = "box"
"""


def test_every_name_is_known_on_every_host():
    fleet = made(HOSTS + TWO)
    for name, other in (("studio", "embed"), ("box", "chat")):
        config = fleet.members[name].config
        assert set(config.models) | set(config.external) == {"chat", "embed"}
        assert set(config.external) == {other}


def test_a_model_elsewhere_has_its_names_key_context_and_slots():
    found = made(HOSTS + TWO).members["box"].config.external["chat"]
    assert found.endpoint == "http://192.168.1.10:8080"
    assert found.aliases == ("gpt-4o", "chat-high")
    assert found.api_key.env == "STUDIO_KEY"
    assert (found.ctx_size, found.slots) == (4096, 2)
    assert found.knows_aliases


def test_the_door_is_the_gateway_where_there_is_one():
    found = made(HOSTS + TWO).members["studio"].config.external["embed"]
    assert found.endpoint == "http://192.168.1.11:4001"
    envoy = made(HOSTS + TWO).members["box"].config.gateway.envoy
    assert envoy.listen == ("127.0.0.1", "192.168.1.11")
    assert [item.name for item in envoy.api_keys] == ["hosts"]


def test_llama_swap_runs_for_the_others_where_nothing_is_on_demand():
    text = HOSTS + TWO.replace('host = "studio"', 'host = "studio"\nkeep = "always"').replace(
        "variants.chat-high.params = { temperature = 0.9 }\n", ""
    )
    services = made(text).members["studio"].config.services
    assert services.llama_swap.always
    assert services.llama_swap.listen == "192.168.1.10"


def test_the_view_of_a_host_is_the_same_when_it_is_read_as_a_file():
    fleet = made(HOSTS + TWO)
    texts = Texts()
    for member in fleet.members.values():
        again = load([parse("llm.toml", config_text(member, texts))])
        assert again == member.config


def test_the_lock_of_a_host_has_its_own_models_alone():
    lock = read(HOSTS + TWO)[-1]
    member = made(HOSTS + TWO).members["box"]
    (_, kept) = bundle(member, lock)
    assert b"embed.gguf" in kept.content
    assert b"chat.gguf" not in kept.content


def test_keys_of_a_model_may_be_others_on_a_host():
    found = made(HOSTS + TWO + "[hosts.studio.models.chat]\nctx_size = 2048\n")
    assert found.members["studio"].plan.placement("chat").settings.ctx_size == 2048


def test_a_fallback_may_be_on_another_host():
    added = TWO.replace("parallel = 2", 'parallel = 2\nfallbacks = ["other"]')
    more = '[models.other]\nmodel = "other.gguf"\nhost = "box"\n'
    fleet = made(HOSTS + added + more)
    assert fleet.members["studio"].config.models["chat"].fallbacks == ("other",)
    assert fleet.members["box"].config.external["chat"].fallbacks == ("other",)


def test_sets_are_about_one_memory():
    wish = '[plan]\ntogether = [["chat", "embed"]]\n'
    fleet = made(HOSTS + TWO + wish)
    assert fleet.members["studio"].config.plan.together == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (('host = "box"', 'host = "bxo"'), "hosts.unknown"),
        (('key = { env = "BOX_KEY" }\n', ""), "hosts.no-key"),
        (('address = "192.168.1.11"\n', ""), "hosts.no-address"),
        (("[hosts.box]", "[hosts.auto]"), "hosts.name"),
        (('"192.168.1.11"', '"0.0.0.0"'), "hosts.wildcard"),
        (
            ("[models.embed]", "[hosts.box.models.embde]\nctx_size = 1\n[models.embed]"),
            "hosts.no-model",
        ),
        (('host = "box"', 'host = "box"\nhosts = 2'), "hosts.told-twice"),
        (('host = "box"', 'host = "auto"\nhosts = 3'), "hosts.too-many"),
        (
            ("gateway.envoy.enable = true", 'services.on_demand = "none"'),
            "hosts.no-door",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(change, code):
    with pytest.raises(ConfigError) as refused:
        made((HOSTS + TWO).replace(*change))
    found = refused.value.diagnostics
    assert code in [item.code for item in found]
    assert all(item.key and item.hint for item in found)


def test_two_hosts_have_two_doors():
    text = HOSTS.replace("192.168.1.11", "192.168.1.10").replace(
        "gateway.envoy.enable = true\n", ""
    )
    with pytest.raises(ConfigError) as refused:
        made(text + TWO)
    assert [item.code for item in refused.value.diagnostics] == ["hosts.same-door"]


def test_who_serves_nothing_has_a_door_of_its_own_too():
    text = HOSTS.replace("192.168.1.11", "192.168.1.10").replace(
        "gateway.envoy.enable = true\n", ""
    )
    with pytest.raises(ConfigError) as refused:
        made(text + '[models.chat]\nmodel = "chat.gguf"\nhost = "studio"\n')
    (found,) = refused.value.diagnostics
    assert (found.code, found.key) == ("hosts.same-door", ("hosts", "box", "address"))


def test_a_plan_that_does_not_fit_names_the_host():
    with pytest.raises(PlanError) as refused:
        made((HOSTS + TWO).replace('memory = "64GiB"', 'memory = "2100MiB"'))
    (found,) = refused.value.diagnostics
    assert "`studio`" in found.message
    assert "`chat`" in found.message


def test_a_mistake_in_a_hosts_own_table_is_shown_there():
    wrong = HOSTS.replace("[hosts.box.hardware]", "[hosts.box.hardware]\nunifed = true")
    with pytest.raises(ConfigError) as refused:
        made(wrong + TWO)
    (found,) = refused.value.diagnostics
    assert found.key == ("hosts", "box", "hardware", "unifed")
    assert found.location.line


def test_a_document_as_text_reads_the_same():
    document = {"a": 1, "b": {"c": {"d": {"e": {"f": [1, {"g": "h\u007f\"'"}]}}}}, "x": {}}
    assert tomllib.loads(text(document)) == document


def test_tables_of_one_name_are_each_as_they_are():
    texts = Texts()
    for value in (1, 2):
        document = {"external": {"chat": {"slots": value}}}
        assert tomllib.loads(texts.text(document)) == document


def test_machines_that_reach_a_model_alike_share_what_is_known_of_it():
    fleet = made(
        HOSTS
        + """
[hosts.third]
address = "192.168.1.12"
key = { env = "THIRD_KEY" }
paths.home = "/home/llm"
gateway.envoy.enable = true
hardware = { os = "linux", backend = "cpu", memory = "32GiB", reserve = "2GiB", devices = [] }
[models.chat]
model = "chat.gguf"
host = "studio"
"""
    )
    there, third = (fleet.members[name].plan.library.external for name in ("box", "third"))
    assert third["chat"] is there["chat"]
    assert fleet.members["box"].config.external["chat"] is there["chat"]
