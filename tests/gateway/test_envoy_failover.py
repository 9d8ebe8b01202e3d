"""Models that several machines have: who is asked in turn, with whose key, never in a circle."""

import subprocess

import pytest
import readers
import yaml
from targets.plans import STACK, plan
from yaml_reader import read_yaml

from llmgen.errors import ConfigError
from llmgen.gateway.secrets import read_manifest
from llmgen.render.environment import make_render
from llmgen.targets import envoy

OTHERS = """title = "Big"
failover = [
    { endpoint = "https://studio.lan:4001", api_key = { env = "STUDIO" }, ca = "/etc/llm/ca.pem", client_tls = { cert = "/etc/llm/me.pem", key = "/etc/llm/me.key" } },
    { endpoint = "http://10.0.0.3:4001/llm/v1", api_key = { env = "BOX" } },
]
"""
TEXT = (
    STACK.replace('title = "Big"\n', OTHERS).replace("[gateway.litellm]\nenable = true\n", "")
    + """
[external.far]
endpoint = "http://10.0.0.3:4001/llm/v1"
knows_aliases = true
aliases = ["huge"]
api_key = { env = "BOX" }
failover = [{ endpoint = "http://10.0.0.4:4001", server = "llama_swap" }]
[external.near]
endpoint = "http://10.0.0.4:4001"
server = "llama_swap"
knows_aliases = true
"""
)


def read(name, text=TEXT):
    made = {item.path.name: item for item in envoy.artifacts(plan(text), make_render())}
    return read_yaml(made[name].content)["resources"]


def routes(text=TEXT):
    return read("rds.yaml", text)[0]["virtual_hosts"][0]["routes"]


def turns(cluster):
    groups = cluster["load_assignment"]["endpoints"]
    return [(group["priority"], group["locality"]["zone"]) for group in groups]


def test_own_server_first_then_the_others_in_order():
    clusters = {item["name"]: item for item in read("cds.yaml")}
    assert turns(clusters["failover/big"]) == [
        (0, "own"),
        (1, "studio.lan:4001"),
        (2, "10.0.0.3:4001/llm"),
    ]
    assert turns(clusters["failover/far"]) == [(0, "10.0.0.3:4001/llm"), (1, "10.0.0.4:4001")]


def test_every_machine_has_its_own_key_authority_and_certificate():
    clusters = {item["name"]: yaml.safe_dump(item) for item in read("cds.yaml")}
    studio, box = clusters["door/studio.lan:4001"], clusters["door/10.0.0.3:4001/llm"]
    assert "door.studio.lan:4001" in studio
    assert "/etc/llm/ca.pem" in studio
    assert "shown." in studio
    assert "door.10.0.0.3:4001/llm" in box
    assert "transport_socket" not in box
    assert "credential_injector" not in clusters["door/10.0.0.4:4001"]


def test_a_certificate_is_for_the_name_or_the_address_that_is_asked():
    text = TEXT.replace("http://10.0.0.4:4001", "https://10.0.0.4:4001")
    clusters = {item["name"]: item for item in read("cds.yaml", text)}
    named = clusters["door/studio.lan:4001"]["transport_socket"]["typed_config"]
    assert (named["sni"], named["auto_sni_san_validation"]) == ("studio.lan", True)
    numeric = clusters["door/10.0.0.4:4001"]["transport_socket"]["typed_config"]
    (told,) = numeric["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"]
    assert told == {"san_type": "IP_ADDRESS", "matcher": {"exact": "10.0.0.4"}}
    assert "sni" not in numeric


def test_keys_of_other_machines_are_filled_in_by_reference():
    made = {item.path.name: item for item in envoy.artifacts(plan(TEXT), make_render())}
    secrets = read_manifest(made["keys.json"].content).secrets
    assert secrets["door.studio.lan:4001"].env == "STUDIO"
    assert secrets["door.10.0.0.3:4001/llm"].env == "BOX"


def test_what_another_gateway_asks_is_answered_by_the_own_server_alone():
    asked, others = [item for item in routes() if item.get("name") == "text/big"][:2]
    assert {"name": "x-llmgen-hop", "present_match": True} in asked["match"]["headers"]
    assert asked["route"]["cluster"] == "model/big"
    assert others["route"]["cluster"] == "failover/big"
    (added,) = others["request_headers_to_add"]
    assert added["append_action"] == "APPEND_IF_EXISTS_OR_ADD"


def test_a_request_that_comes_from_two_gateways_goes_to_no_third():
    found = [
        (item.get("route", {}).get("cluster", ""), item.get("direct_response", {}).get("status"))
        for item in routes()
        if "chat/completions" in str(item["match"])
    ]
    own, refused = found.index(("failover/big", None)), found.index(("", 508))
    far, near = found.index(("external/far", None)), found.index(("external/near", None))
    assert own < refused < min(far, near)


def test_only_a_gateway_is_told_that_another_asks():
    told = {item["route"]["cluster"] for item in routes() if "request_headers_to_add" in item}
    assert told == {"failover/big", "failover/far", "external/far", "external/near"}


def test_requests_without_a_name_are_given_one_that_every_machine_knows():
    text = TEXT.replace("failover = [{ end", "# [{ end")
    default = [item for item in routes(text) if item.get("name") == "text/default"][-1]
    assert default["route"]["cluster"] == "failover/big"
    assert "big" in str(default["metadata"])


def test_a_variant_is_handed_over_with_its_parameters():
    found = [item for item in routes() if item.get("name") == "text/big:think"]
    (route, *_) = [item for item in found if item["route"]["cluster"] == "failover/big"]
    edit = route["metadata"]["filter_metadata"]["envoy.filters.http.lua"]["edit"]
    assert edit["model"] == "big"
    assert '"temperature":0.2' in edit["append"]


def test_llama_swap_elsewhere_is_asked_on_its_own_paths():
    near = next(item for item in routes() if item.get("name") == "count/near")
    assert near["route"]["regex_rewrite"]["substitution"] == r"/upstream/near\1"
    listeners = {item["name"]: item for item in read("lds.yaml")}
    (chain,) = listeners["door/10.0.0.4:4001"]["filter_chains"]
    (host,) = chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"]
    told = [item["route"].get("path_rewrite") for item in host["routes"]]
    assert "/upstream/%REQ(x-llm-model)%%PATH(NQ)%" in told
    far = [item for item in routes() if item.get("name") == "count/far"][1]
    assert "x-llm-model" in str(far["request_headers_to_add"])


def test_without_other_machines_nothing_is_there_for_them():
    made = [item.content for item in envoy.artifacts(plan(STACK), make_render())]
    assert not any(b"x-llmgen-hop" in item or b".sock" in item for item in made)


def test_a_socket_that_no_system_takes_is_refused():
    head = f'[paths]\nruntime = "/run/{"long/" * 20}"\n'
    with pytest.raises(ConfigError) as refused:
        list(envoy.artifacts(plan(TEXT, head=HEAD_OF.replace("[paths]\n", head)), make_render()))
    assert refused.value.diagnostics[0].code == "gateway.long-path"


HEAD_OF = """
edition = 1
[hardware]
host = "box"
os = "linux"
backend = "vulkan"
memory = "64GiB"
devices = [{ memory = "24GiB" }]
[paths]
home = "/home/llm"
models = "/srv/models"
"""


@pytest.mark.parametrize("engine", ["llama_swap", "router"])
@pytest.mark.reader("envoy")
def test_envoy_accepts_the_static_form_with_other_machines(tmp_path, engine):
    text = TEXT.replace("[services]\n", f'[services]\non_demand = "{engine}"\n')
    if engine == "router":
        text = text.replace("pin = true\n", "").replace('aliases = ["deep"]\n', "")
    (tmp_path / "run").mkdir()
    for kind in ("ca.pem", "me.pem", "me.key"):
        (tmp_path / kind).touch()
    pair(tmp_path)
    for item in envoy.artifacts(plan(text), make_render()):
        content = item.content.replace(b"/home/llm/.local/state/llmgen", str(tmp_path).encode())
        content = content.replace(b"/etc/llm", str(tmp_path).encode())
        (tmp_path / item.path.name).write_bytes(content)
    words = ["--mode", "validate", "-l", "error", "-c", tmp_path / "static.yaml"]
    done = subprocess.run(
        [readers.find("envoy"), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-1500:]


def pair(folder):
    """A certificate with its key, which is its own authority."""
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", folder / "me.key", "-out", folder / "me.pem", "-subj", "/CN=me"]
    subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
    (folder / "ca.pem").write_bytes((folder / "me.pem").read_bytes())
