"""KEDA's HTTP add-on by choice: gateways ask its interceptor, which knows each model by its name."""

import json
import tomllib

import pytest
from case_stacks import CASES
from click.testing import CliRunner
from made import HEAD, objects, one, stack
from pod_stacks import ASLEEP, SCALED
from yaml_reader import read_yaml

from llmgen.cli.boundary import root
from llmgen.cluster.findings import findings
from llmgen.config.load import load, overlay
from llmgen.config.source import parse
from llmgen.errors import Severity
from llmgen.targets.kubernetes import scale
from llmgen.targets.kubernetes.environment import environment
from llmgen.targets.kubernetes.files import artifacts

AI = ASLEEP.replace("[gateway.envoy]\nenable = true", "[gateway.envoy]\nenable = false").replace(
    "[kubernetes.scale]", '[kubernetes]\ngateway = "ai-gateway"\n[kubernetes.scale]'
)


def named(found, kind):
    return {item["metadata"]["name"]: item for item in found if item["kind"] == kind}


def interceptors(found):
    """The Services that stand for the interceptor."""
    return {
        name: item["spec"]["externalName"]
        for name, item in named(found, "Service").items()
        if item["spec"]["type"] == "ExternalName"
    }


def config(text):
    source = parse("llm.toml", "")
    source.document.update(overlay(tomllib.loads(HEAD), tomllib.loads(text)))
    return load([source])


def envoy(found, page):
    """A page of Envoy's files."""
    for item in found:
        for key, content in item.get("data", {}).items():
            if key.endswith(page):
                return read_yaml(content)["resources"]
    raise AssertionError(f"no {page}")


CHAT = next(name for name in named(objects(stack(ASLEEP)), "HTTPScaledObject") if "chat" in name)


def test_each_scaled_model_has_an_object_and_a_name_of_the_interceptor():
    found = objects(stack(ASLEEP))
    assert {*named(found, "HTTPScaledObject")} == {CHAT, "model-e"}
    assert not named(found, "ScaledObject")
    assert not named(found, "PodMonitor")
    place = "keda-add-ons-http-interceptor-proxy.keda.svc.cluster.local"
    assert interceptors(found) == {f"interceptor-{CHAT}": place, "interceptor-model-e": place}
    replicas = {
        name: item["spec"].get("replicas") for name, item in named(found, "Deployment").items()
    }
    assert replicas == {CHAT: None, "model-e": None, "swap-gpu": 1, "envoy": 1}


def test_an_object_leads_to_the_pods_and_waits_as_long_as_the_gateway():
    text = f"{ASLEEP}[kubernetes]\nlongest_answer = 700\n"
    spec = named(objects(stack(text)), "HTTPScaledObject")[CHAT]["spec"]
    services = named(objects(stack(text)), "Service")
    (port,) = services[CHAT]["spec"]["ports"]
    assert spec == {
        "hosts": [f"interceptor-{CHAT}.llm", f"interceptor-{CHAT}.llm.svc.cluster.local"],
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": CHAT,
            "service": CHAT,
            "port": port["port"],
        },
        "replicas": {"min": 0, "max": 3},
        "initialCooldownPeriod": 600,
        "scaledownPeriod": 600,
        "scalingMetric": {"concurrency": {"targetValue": 2}},
        "timeouts": {"conditionWait": "3600s", "responseHeader": "4300s"},
    }


def test_envoy_asks_the_interceptor_alone_and_never_by_itself():
    clusters = {row["name"]: row for row in envoy(objects(stack(ASLEEP)), "cds.yaml")}
    chat = clusters["model/chat-1.7b"]
    (group,) = chat["load_assignment"]["endpoints"]
    (endpoint,) = group["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {
        "address": f"interceptor-{CHAT}",
        "port_value": 8080,
    }
    assert "health_checks" not in chat
    limits = chat["circuit_breakers"]["thresholds"][0]
    assert (limits["max_connections"], limits["max_pending_requests"]) == (6, 11)
    assert (
        clusters["model/chat-1.7b"]["circuit_breakers"]
        == (
            next(row for row in envoy(objects(stack(SCALED)), "cds.yaml") if "chat" in row["name"])[
                "circuit_breakers"
            ]
        )
    )


def test_envoy_names_the_model_with_the_namespace_that_it_is_in():
    (table,) = envoy(objects(stack(ASLEEP)), "rds.yaml")
    told = {
        route["name"]: [one["header"]["value"] for one in route.get("request_headers_to_add", ())]
        for host in table["virtual_hosts"]
        for route in host["routes"]
        if route.get("route", {}).get("host_rewrite_header")
    }
    assert told["text/chat-1.7b"] == [f"interceptor-{CHAT}.%ENVIRONMENT(NAMESPACE)%"]
    assert not [name for name in told if "demand" in name]
    (container,) = one(objects(stack(ASLEEP)), "Deployment", "envoy")["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["env"] == [
        {
            "name": "NAMESPACE",
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        }
    ]


def test_envoy_ai_gateway_asks_by_a_name_that_is_the_models():
    found = objects(stack(AI))
    places = {
        item["spec"]["endpoints"][0]["fqdn"]["hostname"]
        for item in named(found, "Backend").values()
    }
    hosts = {
        host for item in named(found, "HTTPScaledObject").values() for host in item["spec"]["hosts"]
    }
    assert places - hosts == {"swap-gpu.llm.svc.cluster.local"}
    assert len(places & hosts) == 2


# Envoy AI Gateway asks for no path of a server's own.
RANKER = """
[models.ranker]
engine = "tei"
hf_repo = "o/r"
role = "rerank"
keep = "always"
memory.host = "1GiB"
container.image = "x/tei:1"
"""


@pytest.mark.parametrize(("text", "sleeps"), [(ASLEEP, True), (AI, False)])
def test_what_no_gateway_leads_to_is_never_ended(text, sleeps):
    found = objects(stack(text + RANKER))
    assert ("model-ranker" in named(found, "HTTPScaledObject")) is sleeps
    assert ("interceptor-model-ranker" in interceptors(found)) is sleeps
    ranker = named(found, "Deployment")["model-ranker"]["spec"]
    assert ranker.get("replicas") == (None if sleeps else 1)


def test_the_interceptor_is_let_in_and_gateways_out_to_it():
    found = named(objects(stack(f'{ASLEEP}namespace = "scaling"\n')), "NetworkPolicy")
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "scaling"}}}
    (rule,) = found["llmgen-servers"]["spec"]["ingress"]
    assert peer in rule["from"]
    out = found["llmgen-gateways-out"]["spec"]["egress"]
    assert {"to": [peer], "ports": [{"port": 8080, "protocol": "TCP"}]} in out
    assert '"keda"' not in json.dumps(named(objects(stack(SCALED)), "NetworkPolicy"))


PROD = '[kubernetes.environments.prod]\nnamespace = "prod"\ncopies = {{ "chat-1.7b" = {} }}\n'


@pytest.mark.parametrize(("copies", "scaled"), [(4, True), (1, True), (0, False)])
def test_every_environment_is_asked_in_the_same_way(copies, scaled):
    text = ASLEEP.replace("min = 0", "min = 1") + PROD.format(copies)
    made = environment(stack(text), "prod")
    found = objects(made)
    assert (CHAT in named(found, "HTTPScaledObject")) is scaled
    assert f"interceptor-{CHAT}" in interceptors(found)
    assert envoy(found, "rds.yaml") == envoy(objects(stack(text)), "rds.yaml")
    if scaled:
        spec = named(found, "HTTPScaledObject")[CHAT]["spec"]
        assert spec["hosts"][0] == f"interceptor-{CHAT}.prod"
        assert spec["replicas"] == {"min": 1, "max": copies}


def test_a_chart_says_how_many_pods_there_may_be():
    text = f"{ASLEEP}[kubernetes]\nhelm = true\n"
    files = {str(item.path): item.content.decode() for item in artifacts(stack(text))}
    values = read_yaml(files["kubernetes/chart/values.yaml"])
    assert values["replicas"] == {CHAT: 3, "model-e": 1, "swap-gpu": 1, "envoy": 1}
    assert 'max": {{ int' in files[f"kubernetes/chart/templates/30-{CHAT}.yaml"].replace(
        "max:", 'max":'
    )


def test_at_least_all_is_nothing_to_scale():
    found = objects(stack(ASLEEP.replace("min = 0", "min = 3")))
    assert not named(found, "HTTPScaledObject")
    assert not interceptors(found)


def test_that_a_request_waits_is_said_with_what_a_start_costs():
    (note,) = scale.notes(stack(ASLEEP))
    assert (note.code, note.severity) == ("kubernetes.scale-to-zero", Severity.NOTE)
    assert "waits in KEDA's interceptor" in note.message
    assert "and 1 more" in note.message
    assert not [*scale.notes(stack(ASLEEP.replace("min = 0", "min = 1")))]


def test_a_start_that_takes_longer_than_the_gateway_waits_is_a_warning():
    slow = f"{ASLEEP}[hardware]\ndisk_bandwidth = 1\n".replace(
        "queue = 5", "queue = 5\nstream_idle_timeout = {}"
    )
    (note,) = scale.notes(stack(slow.replace("{}", "60")))
    assert note.severity is Severity.WARNING
    assert note.key == ("gateway", "envoy", "stream_idle_timeout")
    told = tomllib.loads(note.hint.split("`")[1])["stream_idle_timeout"]
    (note,) = scale.notes(stack(slow.replace("{}", f'"{told}"')))
    assert note.severity is Severity.NOTE


@pytest.mark.parametrize(
    ("was", "now", "code"),
    [
        (
            "[gateway.envoy]\nenable = true",
            "[gateway.envoy]\nenable = false",
            "scale-without-envoy",
        ),
        (
            "[gateway.envoy]\nenable = true",
            '[kubernetes]\ngateway = "gateway-api"\n[gateway.envoy]\nenable = false',
            "scale-without-envoy",
        ),
        ("[gateway.envoy]", "[gateway.litellm]\nenable = true\n[gateway.envoy]", "scale-litellm"),
        (
            "[gateway.envoy]\nenable = true",
            '[kubernetes]\ngateway = "inference-extension"\n[gateway.envoy]\nenable = false',
            "scale-picked",
        ),
        (
            "[gateway.envoy]",
            '[kubernetes]\ngateway = "inference-extension"\n[gateway.envoy]',
            "scale-picked",
        ),
        ("[kubernetes.scale]", '[kubernetes.scale]\nprometheus = "http://x:1"', "scale-other-way"),
        ("[gateway.envoy]", '[kubernetes]\nstyle = "lws"\n[gateway.envoy]', "scale-style"),
    ],
)
def test_what_leads_past_the_interceptor_is_refused(was, now, code):
    assert was in ASLEEP
    (item,) = findings(config(ASLEEP.replace(was, now)))
    assert item.code == f"kubernetes.{code}"
    at = ("kubernetes", "style") if code == "scale-style" else ("kubernetes", "scale")
    assert item.key[:2] == at
    assert item.hint


@pytest.mark.parametrize("gateway", ["none", "gateway-api", "ai-gateway"])
def test_every_gateway_that_leads_by_envoy_may_be_scaled(gateway):
    text = ASLEEP.replace(
        "[kubernetes.scale]", f'[kubernetes]\ngateway = "{gateway}"\n[kubernetes.scale]'
    )
    assert not [*findings(config(text))]


@pytest.mark.parametrize("command", ["show", "check"])
def test_commands_say_what_a_start_costs(command, tmp_path):
    told = """
    gateway.envoy.enable = true
    models."qwen3-8b".keep = "always"
    [kubernetes.scale]
    enable = true
    by = "http-add-on"
    min = 0
    """
    (tmp_path / "cluster.toml").write_text(told)
    files = ["-c", str(CASES / "minimal" / "llm.toml"), "-c", str(tmp_path / "cluster.toml")]
    done = CliRunner().invoke(root, [*files, command, "--json"])
    notes = json.loads(done.stdout)["diagnostics"]
    assert "kubernetes.scale-to-zero" in [item["code"] for item in notes], done.output


def test_a_model_s_own_service_may_be_called_like_an_interceptor_s():
    more = (
        ASLEEP + '[models.e-interceptor]\nmodel = "e.gguf"\nrole = "embedding"\nkeep = "always"\n'
    )
    services = [item for item in objects(stack(more)) if item["kind"] == "Service"]
    names = [item["metadata"]["name"] for item in services]
    assert {"model-e-interceptor", "interceptor-model-e"} < {*names}
    assert len({*names}) == len(names)


def test_where_the_gateway_waits_without_end_the_interceptor_waits_for_a_day():
    endless = ASLEEP.replace("queue = 5", "queue = 5\nstream_idle_timeout = 0")
    made = stack(endless)
    scaled = named(objects(made), "HTTPScaledObject")[CHAT]
    assert scaled["spec"]["timeouts"]["conditionWait"] == "86400s"
    (told,) = [item for item in scale.notes(made) if item.code == "kubernetes.scale-to-zero"]
    assert told.severity is Severity.NOTE


def test_pods_of_a_pool_s_own_table_are_those_that_are_scaled():
    fewer = ASLEEP.replace("min = 0", "min = 1") + (
        '[kubernetes.pools.gpu.models."chat-1.7b"]\nhosts = 1\n'
    )
    assert not named(objects(stack(fewer)), "HTTPScaledObject")
    more = ASLEEP.replace("hosts = 3\n", "").replace("min = 0", "min = 0\nmax = 3") + (
        '[kubernetes.pools.gpu.models."chat-1.7b"]\nhosts = 3\n'
    )
    assert named(objects(stack(more)), "HTTPScaledObject")[CHAT]["spec"]["replicas"]["max"] == 3
