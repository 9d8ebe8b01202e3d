"""Gateway faults of the published stacks, beyond tests/test_seed_faults.py: named as there."""

import json

import yaml
from targets.plans import plan
from yaml_reader import read_yaml

from llmgen.gateway.routes import routes
from llmgen.render.environment import make_render
from llmgen.targets import clients, envoy, litellm

STACK = """
[gateway.envoy]
enable = true
[gateway.litellm]
enable = true
master_key = { env = "MASTER" }
[models.devstral]
model = "big.gguf"
ctx_size = "64K"
parallel = 2
aliases = ["gpt-4", "claude-3-opus"]
[models.coder]
model = "small.gguf"
aliases = ["gpt-4o"]
[models.embed]
model = "embed.gguf"
role = "embedding"
aliases = ["text-embedding-3-large"]
[models.rank]
model = "rank.gguf"
role = "rerank"
aliases = ["rerank-english"]
"""
NAMES = {
    "gpt-4": "devstral",
    "claude-3-opus": "devstral",
    "gpt-4o": "coder",
    "text-embedding-3-large": "embed",
    "rerank-english": "rank",
}


def files(target):
    made = target.artifacts(plan(STACK), make_render())
    return {item.path.name: item.content for item in made}


def test_000_the_contexts_of_client_files_are_those_of_a_slot():
    document = json.loads(files(clients)["opencode.json"])
    models = document["provider"]["llmgen"]["models"]
    assert models["devstral"]["limit"]["context"] == 32768


def test_003_a_page_of_another_origin_is_not_let_in_by_a_proxy_in_between():
    (rds,) = read_yaml(files(envoy)["rds.yaml"])["resources"]
    assert "access-control-allow-origin" in rds["response_headers_to_remove"]
    assert b"access-control-allow-origin" not in files(envoy)["lds.yaml"]


def test_004a_both_forms_are_yaml_without_anchors():
    for name, content in {**files(envoy), **files(litellm)}.items():
        if name.endswith(".yaml"):
            events = list(yaml.parse(content))
            assert not any(isinstance(item, yaml.AliasEvent) for item in events)


def test_004b_every_advertised_alias_is_routed_and_listed():
    table = routes(plan(STACK))
    routed = {name: route.backend.model for route in table.routes for name in route.names}
    assert {alias: routed[alias] for alias in NAMES} == NAMES
    (rds,) = read_yaml(files(envoy)["rds.yaml"])["resources"]
    answers = [route.get("direct_response", {}) for route in rds["virtual_hosts"][0]["routes"]]
    (listed, *_) = [answer["body"]["inline_string"] for answer in answers if "body" in answer]
    assert {item["id"] for item in json.loads(listed)["data"]} == {*NAMES, *NAMES.values()}


def test_004e_no_key_stands_in_a_file_and_no_alias_has_a_row_of_its_own():
    document = read_yaml(files(litellm)["config.yaml"])
    names = [row["model_name"] for row in document["model_list"]]
    assert sorted(names) == sorted(set(NAMES.values()))
    assert document["router_settings"]["model_group_alias"] == NAMES
    assert document["general_settings"]["master_key"].startswith("os.environ/")


def test_004i_every_backend_is_asked_on_loopback():
    for cluster in read_yaml(files(envoy)["cds.yaml"])["resources"]:
        for group in cluster["load_assignment"]["endpoints"]:
            for item in group["lb_endpoints"]:
                address = item["endpoint"]["address"]["socket_address"]["address"]
                assert address == "127.0.0.1"
