"""What Prometheus is told of a cluster: whom it asks, and rules about series that it then has."""

import json
import re
import subprocess

import pytest
import readers
import yaml
from made import objects, one, pod_specs, stack
from yaml_reader import read_yaml

STACK = """
[services]
api_key = { env = "SERVER_KEY" }
[gateway.envoy]
enable = true
queue = 5
[gateway.litellm]
enable = true
prometheus = true
master_key = { env = "MASTER_KEY" }
[models.chat]
model = "chat.gguf"
keep = "always"
metrics = true
[models."A/quiet"]
model = "quiet.gguf"
keep = "always"
[models.demand]
model = "demand.gguf"
keep = "on_demand"
[kubernetes]
secret = "keys"
[kubernetes.pools.gpu]
count = 4
[kubernetes.monitoring]
enable = true
labels = { release = "prometheus" }
"""
# What kubelet and kube-state-metrics name a pod by.
OF_PODS = {"namespace", "container", "phase"}


def found(text=STACK):
    return objects(stack(text))


def monitors(items):
    return {
        item["metadata"]["name"]: item["spec"] for item in items if item["kind"] == "PodMonitor"
    }


def rules(items):
    groups = one(items, "PrometheusRule")["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard(items):
    data = one(items, "ConfigMap", "llmgen-dashboard")["data"]
    return json.loads(data["llmgen-llm.json"])


def expressions(items):
    queries = [
        target["expr"] for panel in dashboard(items)["panels"] for target in panel["targets"]
    ]
    return [*(rule["expr"] for rule in rules(items)), *queries]


def promtool(folder, *words):
    argv = [readers.find("promtool"), *map(str, words)]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def asked(items, name):
    """The pods that a PodMonitor chooses, with the ports that they have."""
    (wanted,) = monitors(items)[name]["selector"]["matchExpressions"]
    assert wanted["key"] == "app.kubernetes.io/name"
    specs = pod_specs(items)
    return {app: specs[app]["containers"][0]["ports"] for app in wanted["values"]}


def test_each_server_that_tells_of_itself_is_asked():
    items = found()
    assert {name: [*asked(items, name)] for name in monitors(items)} == {
        "llmgen-server": ["model-chat"],
        "llmgen-swap": ["swap-gpu"],
        "llmgen-envoy": ["envoy"],
        "llmgen-litellm": ["litellm"],
    }


def test_the_port_that_is_asked_is_one_of_the_pods():
    items = found()
    for name, spec in monitors(items).items():
        (endpoint,) = spec["podMetricsEndpoints"]
        for ports in asked(items, name).values():
            assert endpoint["port"] in [port["name"] for port in ports]


def test_envoy_tells_of_itself_at_a_port_of_its_own():
    items = found()
    ports = {port["name"]: port["containerPort"] for port in asked(items, "llmgen-envoy")["envoy"]}
    assert len({*ports.values()}) == len(ports) == 2
    envoy = next(
        text
        for item in items
        if item["kind"] == "ConfigMap"
        for key, text in item["data"].items()
        if key.endswith("envoy.yaml")
    )
    listeners = read_yaml(envoy)["static_resources"]["listeners"]
    address = listeners[0]["address"]["socket_address"]
    assert address == {"address": "0.0.0.0", "port_value": ports["metrics"]}


def test_its_own_port_is_none_that_is_taken():
    text = STACK.replace("queue = 5", "queue = 5\nport = 9902\nadmin_port = 9903")
    ports = asked(found(text), "llmgen-envoy")["envoy"]
    assert [port["containerPort"] for port in ports] == [9902, 9904]
    text = STACK.replace("queue = 5", "queue = 5\nmetrics_port = 7777")
    assert asked(found(text), "llmgen-envoy")["envoy"][1]["containerPort"] == 7777


def test_keys_are_entries_of_the_secret():
    told = {
        name: spec["podMetricsEndpoints"][0].get("authorization")
        for name, spec in monitors(found()).items()
    }
    key = {"type": "Bearer", "credentials": {"name": "keys", "key": "SERVER_KEY"}}
    assert told["llmgen-server"] == key
    assert told["llmgen-litellm"]["credentials"]["key"] == "MASTER_KEY"
    assert told["llmgen-envoy"] is None


def test_expressions_speak_of_labels_that_series_have():
    items = found()
    given = {
        line["targetLabel"]
        for spec in monitors(items).values()
        for line in spec["podMetricsEndpoints"][0]["relabelings"]
    }
    assert {"host", "job", "model", "service"} == given
    own = {"envoy_cluster_name", "le", "requested_model"}
    for expr in expressions(items):
        used = set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', expr))
        assert used <= given | OF_PODS | own, expr
        assert 'host="llm"' in expr or 'namespace="llm"' in expr


def test_nothing_speaks_of_what_only_a_machine_has():
    assert not [text for text in expressions(found()) if re.search(r"llmgen_|node_|DCGM", text)]


@pytest.mark.reader("promtool")
def test_promtool_takes_every_expression(tmp_path):
    items = found()
    spec = one(items, "PrometheusRule")["spec"]
    told = [{"record": f"test:{at}", "expr": expr} for at, expr in enumerate(expressions(items))]
    spec = {"groups": [*spec["groups"], {"name": "dashboard", "rules": told}]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(spec))
    code, said = promtool(tmp_path, "check", "rules", "rules.yml")
    assert code == 0, said


def firing(folder, items, series):
    """The alerts that fire after an hour of these series."""
    (folder / "rules.yml").write_text(yaml.safe_dump(one(items, "PrometheusRule")["spec"]))
    names = sorted({rule["alert"] for rule in rules(items)})
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": "55m", "alertname": name, "exp_alerts": []} for name in names
        ],
    }
    test = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}
    (folder / "test.yml").write_text(yaml.safe_dump(test))
    _, said = promtool(folder, "test", "rules", "test.yml")
    assert "parse" not in said, said
    return {line.split()[1].rstrip(",") for line in said.splitlines() if "alertname:" in line}


@pytest.mark.reader("promtool")
def test_an_alert_fires_when_it_should_and_only_then(tmp_path):
    items = found()
    limit = pod_specs(items)["model-chat"]["containers"][0]["resources"]["limits"]["memory"]
    most = int(limit.removesuffix("Mi")) * 2**20
    memory = 'container_memory_rss{namespace="NS",pod="chat-1",container="model-chat"}'
    waits = 'kube_pod_status_phase{namespace="NS",pod="chat-1",phase="Pending"}'
    down = 'up{host="NS",job="llmgen-envoy",service="envoy"}'
    assert firing(tmp_path, items, {memory.replace("NS", "llm"): f"{most}+0x60"}) == {
        "LlmgenPodAbovePlan"
    }
    assert firing(tmp_path, items, {waits.replace("NS", "llm"): "1+0x60"}) == {"LlmgenPodWaits"}
    assert firing(tmp_path, items, {down.replace("NS", "llm"): "0+0x60"}) == {"LlmgenServerDown"}
    others = {text.replace("NS", "other") for text in (memory, waits)}
    quiet = {**dict.fromkeys(others, f"{most}+0x60"), down.replace("NS", "other"): "0+0x60"}
    quiet[memory.replace("NS", "llm")] = f"{most // 2}+0x60"
    assert firing(tmp_path, items, quiet) == set()


def test_the_dashboard_is_where_the_sidecar_of_grafana_looks():
    item = one(found(), "ConfigMap", "llmgen-dashboard")
    assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard(found())["uid"] == "llmgen-llm"


def test_the_operator_finds_them_by_labels_of_the_user_and_ours_stay():
    text = STACK.replace("release =", '"app.kubernetes.io/part-of" = "x", release =')
    for kind in ("PodMonitor", "PrometheusRule"):
        item = next(item for item in found(text) if item["kind"] == kind)
        labels = item["metadata"]["labels"]
        assert labels["release"] == "prometheus"
        assert labels["app.kubernetes.io/part-of"] == "llmgen"


def test_nothing_is_written_unless_it_is_wanted():
    items = found(
        STACK.replace("[kubernetes.monitoring]\nenable = true", "[kubernetes.monitoring]")
    )
    kinds = {item["kind"] for item in items}
    assert not kinds & {"PodMonitor", "PrometheusRule"}
    assert [port["name"] for port in pod_specs(items)["envoy"]["containers"][0]["ports"]] == [
        "http"
    ]
