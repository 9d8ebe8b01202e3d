"""Envoy's files: two forms of one content, accepted by Envoy, with nothing left to its defaults."""

import json
import subprocess

import pytest
import readers
from targets.plans import STACK, plan
from yaml_reader import read_yaml

from llmgen.gateway.secrets import read_manifest
from llmgen.render.environment import make_render
from llmgen.targets import envoy

FULL = STACK.replace(
    "[gateway.envoy]\nenable = true\n",
    """[gateway.envoy]
enable = true
listen = ["127.0.0.1", "::1", "10.0.0.1"]
metrics_port = 9902
requests_per_minute = 600
cors_origins = ["http://localhost:3000", "https://chat.example.org"]
access_log = "access.log"
api_keys = [
    { name = "alice", secret = { env = "ALICE" } },
    { name = "bob", secret = { file = "~/bob.key" } },
]
[models.many]
model = "small.gguf"
keep = "always"
replicas = ["gpu2.lan:9100", "10.0.0.3:9100"]
[models.many.variants.many-cold]
params = { temperature = 0.0, stop = ['"', "\\\\", "%"] }
[external.far]
endpoint = "https://api.example.org/v1"
aliases = ["huge"]
upstream_model = "far-1"
api_key = { env = "BIG" }
[external.ears]
endpoint = "http://10.0.0.4:9500"
role = "transcription"
""",
)


def files(text=FULL, **options):
    made = envoy.artifacts(plan(text, **options), make_render())
    return {item.path.name: item for item in made}


def read(text=FULL, **options):
    return {
        name: read_yaml(item.content)
        for name, item in files(text, **options).items()
        if name.endswith(".yaml")
    }


def resources(document):
    return [{k: v for k, v in item.items() if k != "@type"} for item in document["resources"]]


def test_the_static_form_holds_what_the_dynamic_files_hold():
    found = read()
    static = found["static.yaml"]["static_resources"]
    assert strip(static["clusters"][1:]) == strip(resources(found["cds.yaml"]))
    (lds,), (rds,) = resources(found["lds.yaml"]), resources(found["rds.yaml"])
    listener = static["listeners"][1]
    assert connection(listener).pop("route_config") == rds
    assert connection(lds).pop("rds")["route_config_name"] == rds["name"]
    assert listener == lds


def strip(clusters):
    """Without the places of the dynamic form."""
    return json.loads(
        json.dumps(clusters), object_hook=lambda item: (item.pop("sds_config", 0), item)[1]
    )


def connection(listener):
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def test_every_dynamic_file_is_one_that_the_bootstrap_reads_from_the_private_folder():
    found = read()
    dynamic = found["envoy.yaml"]["dynamic_resources"]
    folder = "/home/llm/.local/state/llmgen/run/envoy"
    for key, name in (("lds_config", "lds.yaml"), ("cds_config", "cds.yaml")):
        source = dynamic[key]["path_config_source"]
        assert source == {"path": f"{folder}/{name}", "watched_directory": {"path": folder}}
    made = read_manifest(files()["keys.json"].content)
    assert str(made.into) == folder
    assert [item.name for item in made.files] == [
        *("sds-llama-server.yaml", "sds-llama-swap.yaml", "sds-external.far.yaml"),
        *("cds.yaml", "rds.yaml", "lds.yaml"),
    ]
    assert made.distinct == ("client.alice", "client.bob")
    assert made.secrets["client.bob"].file == "/home/llm/bob.key"


def test_slots_and_queue_are_the_models_own():
    clusters = {item["name"]: item for item in read()["cds.yaml"]["resources"]}
    first = clusters["model/big"]["circuit_breakers"]["thresholds"][0]
    assert (first["max_connections"], first["max_pending_requests"]) == (2, 18)
    assert "outlier_detection" not in clusters["model/big"]
    many = clusters["model/many"]
    assert many["outlier_detection"]
    assert many["type"] == "STRICT_DNS"
    assert many["health_checks"][0]["http_health_check"]["path"] == "/health"
    assert "health_checks" not in clusters["model/big"]
    assert clusters["engine"]["health_checks"]


def test_no_route_has_a_limit_on_the_whole_answer():
    (rds,) = read()["rds.yaml"]["resources"]
    routed = [route["route"] for route in rds["virtual_hosts"][0]["routes"] if "route" in route]
    assert {route["timeout"] for route in routed} == {"0s"}
    assert {route["idle_timeout"] for route in routed} == {"3600s"}


def test_without_keys_nothing_asks_for_one_and_a_limit_counts_addresses():
    text = STACK.replace("[gateway.litellm]", "requests_per_minute = 5\n[gateway.litellm]")
    found = files(text)
    content = found["rds.yaml"].content + found["lds.yaml"].content
    assert b"api_key_auth" not in content
    assert b"remote_address" in found["rds.yaml"].content


def test_a_body_that_no_script_has_read_meets_the_first_route_of_its_kind():
    (rds,) = read()["rds.yaml"]["resources"]
    first = {}
    for route in rds["virtual_hosts"][0]["routes"]:
        first.setdefault(route["match"].get("safe_regex", {}).get("regex"), route)
    bodies = [item for paths, item in first.items() if "completions" in (paths or "")]
    assert bodies
    for route in bodies:
        assert [item["invert"] for item in route["match"]["dynamic_metadata"]] == [True, True]
        assert route["typed_per_filter_config"]["envoy.filters.http.lua"]["name"] == "json"


def test_a_hostile_title_stays_in_its_place():
    title = 'quote " and %REQ(x)% and {{ x }} \\ end'
    text = STACK.replace('title = "Big"', f"title = '{title}'")
    (rds,) = read(text)["rds.yaml"]["resources"]
    answers = [route.get("direct_response", {}) for route in rds["virtual_hosts"][0]["routes"]]
    pages = [answer["body"]["inline_string"] for answer in answers if "body" in answer]
    listed = json.loads(pages[0])
    assert listed["data"][0]["display_name"] == title


@pytest.mark.parametrize("engine", ["llama_swap", "router", "none"])
@pytest.mark.parametrize("text", [STACK, FULL, "[gateway.envoy]\nenable = true\n"])
@pytest.mark.reader("envoy")
def test_envoy_accepts_the_static_form(tmp_path, text, engine):
    text = text.replace("[services]\n", f'[services]\non_demand = "{engine}"\n')
    if engine != "llama_swap":
        text = text.replace("pin = true\n", "").replace('aliases = ["deep"]\n', "")
    (tmp_path / "log").mkdir()
    for name, item in files(text).items():
        content = item.content.replace(b"/home/llm/.local/state/llmgen", str(tmp_path).encode())
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [
            readers.find("envoy"),
            "--mode",
            "validate",
            "-l",
            "error",
            "-c",
            tmp_path / "static.yaml",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1500:]


@pytest.mark.reader("bash")
def test_the_drain_script_is_a_shell_script(tmp_path):
    path = tmp_path / "drain.sh"
    path.write_bytes(files()["drain.sh"].content)
    assert files()["drain.sh"].mode == 0o755
    subprocess.run(["bash", "-n", path], check=True)
