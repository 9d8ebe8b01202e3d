"""KServe's resources have our own containers, whole, whatever its presets would put in their place."""

import pytest
from made import objects, one, stack

from llmgen.targets.kubernetes.demand import proofs, refusals

HEAD = """
[services]
on_demand = "llama_swap"
[kubernetes]
style = "kserve"
[kubernetes.pools.gpu]
count = 4
"""
STACK = (
    HEAD
    + """
[models.embed]
role = "embedding"
model = "folder/e.gguf"
ctx_size = 512
[models.ranker]
role = "rerank"
model = "r.gguf"
ctx_size = 512
[models.chatter]
model = "folder/a.gguf"
ctx_size = 1024
keep = "always"
hosts = 2
[models.coder]
model = "c.gguf"
ctx_size = 1024
"""
)


def test_each_model_has_the_controller_of_its_role():
    kinds = {item["metadata"]["name"]: item["kind"] for item in objects(stack(STACK)) if pods(item)}
    assert kinds == {
        "model-embed": "InferenceService",
        "model-ranker": "InferenceService",
        "model-chatter": "LLMInferenceService",
        "swap-gpu": "Deployment",
    }


def pods(item):
    return item["kind"] in ("Deployment", "InferenceService", "LLMInferenceService")


def test_a_chat_model_keeps_nothing_of_the_preset_that_matters():
    spec = one(objects(stack(STACK)), "LLMInferenceService")["spec"]
    assert spec["model"] == {"name": "chatter", "uri": "pvc://models/folder"}
    assert spec["replicas"] == 2
    (container,) = spec["template"]["containers"]
    assert container["name"] == "main"
    # A list that is empty would leave the preset's.
    assert container["command"]
    assert container["args"]
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert [port["containerPort"] for port in container["ports"]] == [8000]


def test_what_kserve_would_fill_in_is_text():
    text = STACK.replace("[models.chatter]", '[models.chatter]\nenvironment = { X = "{{ .Y }}" }')
    (container,) = one(objects(stack(text)), "LLMInferenceService")["spec"]["template"][
        "containers"
    ]
    assert {"name": "X", "value": "{{`{{`}} .Y }}"} in container["env"]


def test_its_service_finds_the_pods_by_the_labels_of_kserve():
    found = objects(stack(STACK))
    spec = one(found, "Service", "model-chatter")["spec"]
    assert spec["selector"] == {
        "app.kubernetes.io/name": "model-chatter",
        "app.kubernetes.io/part-of": "llminferenceservice",
        "kserve.io/component": "workload",
    }
    assert spec["ports"][0]["port"] == 8000


def test_an_embedder_is_for_nobody_outside_the_cluster():
    item = one(objects(stack(STACK)), "InferenceService", "model-embed")
    assert item["metadata"]["labels"]["networking.kserve.io/visibility"] == "cluster-local"
    predictor = item["spec"]["predictor"]
    assert predictor["minReplicas"] == predictor["maxReplicas"] == 1
    assert predictor["deploymentStrategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert predictor["containers"][0]["name"] == "kserve-container"
    assert predictor["labels"]["app.kubernetes.io/name"] == "model-embed"


def test_pods_of_kserve_are_reached_by_gateways_alone():
    found = objects(stack(STACK + "[gateway.envoy]\nenable = true"))
    worn = {
        "app.kubernetes.io/part-of": "llminferenceservice",
        "kserve.io/component": "workload",
    }
    policies = {
        item["metadata"]["name"]: item["spec"] for item in found if item["kind"] == "NetworkPolicy"
    }
    denied = policies["llmgen-kserve-default-deny"]
    assert denied["podSelector"] == {"matchLabels": worn}
    assert denied["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = policies["llmgen-kserve-servers"]["ingress"]
    assert rule["from"] == policies["llmgen-servers"]["ingress"][0]["from"]
    (out,) = (
        rule
        for rule in policies["llmgen-gateways-out"]["egress"]
        if rule["ports"][0]["port"] == "http"
    )
    assert len(out["to"]) == 2


@pytest.mark.parametrize(("count", "hangs"), [(4, True), (5, False)])
def test_a_chat_model_without_room_for_one_more_never_rolls_out(count, hangs):
    text = HEAD.replace("count = 4", f"count = {count}") + "\n".join(
        f'[models.m{at}]\nmodel = "m{at}.gguf"\nctx_size = 1024\nkeep = "always"' for at in range(8)
    )
    # Two devices on each node.
    found = [*refusals(proofs(stack(text)), "kserve")]
    assert [item.code for item in found] == ["kubernetes.dead-rollout"] * len(found)
    assert bool(found) is hangs
    if hangs:
        assert 'style = "plain"' in found[0].hint


def worn_by_chat_models(found):
    return one(found, "Service", "model-chatter")["spec"]["selector"]


def test_pods_of_kserve_are_drained_one_at_a_time_and_spread():
    found = objects(stack(STACK))
    budget = one(found, "PodDisruptionBudget", "model-chatter")["spec"]
    assert budget["selector"]["matchLabels"] == worn_by_chat_models(found)
    pods = one(found, "LLMInferenceService")["spec"]["template"]
    (constraint,) = pods["topologySpreadConstraints"]
    assert constraint["labelSelector"]["matchLabels"] == worn_by_chat_models(found)


MONITORED = (
    STACK.replace("[models.chatter]", "[models.chatter]\nmetrics = true").replace(
        "[models.embed]", "[models.embed]\nmetrics = true"
    )
    + "[kubernetes.monitoring]\nenable = true"
)


def test_prometheus_finds_the_pods_of_kserve():
    found = objects(stack(MONITORED))
    own = one(found, "PodMonitor", "llmgen-server-kserve")["spec"]["selector"]
    (named,) = own["matchExpressions"]
    assert named["values"] == ["model-chatter"]
    assert own["matchLabels"].items() < worn_by_chat_models(found).items()
    others = one(found, "PodMonitor", "llmgen-server")["spec"]["selector"]
    assert others["matchExpressions"][0]["values"] == ["model-embed"]
    worn = one(found, "InferenceService", "model-embed")["spec"]["predictor"]["labels"]
    assert others["matchLabels"].items() <= worn.items()


def test_a_full_pod_of_kserve_is_known_by_its_names():
    groups = one(objects(stack(MONITORED)), "PrometheusRule")["spec"]["groups"]
    full = {
        rule["labels"]["app"]: rule["expr"]
        for group in groups
        for rule in group["rules"]
        if rule["alert"] == "LlmgenPodAbovePlan"
    }
    assert 'container="main",pod=~"model-chatter-kserve-.+"' in full["model-chatter"]
    assert 'container="kserve-container",pod=~"model-embed-predictor-.+"' in full["model-embed"]
    assert 'container="swap-gpu"' in full["swap-gpu"]
