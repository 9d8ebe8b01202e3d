"""A model over several nodes: vLLM in a LeaderWorkerSet, each pod with its part."""

import pytest
from made import objects, one, stack
from pod_stacks import GROUP

from llmgen.errors import ConfigError
from llmgen.targets.kubernetes.demand import proofs


def containers(text=GROUP):
    spec = one(objects(stack(text)), "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]
    return [spec[key]["spec"]["containers"][0] for key in ("leaderTemplate", "workerTemplate")]


def pairs(words):
    return dict(zip(words, [*words[1:], ""], strict=True))


def test_each_pod_has_the_devices_of_a_node():
    for container in containers():
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"


def test_the_leader_answers_and_workers_have_their_rank():
    leader, worker = containers()
    told = pairs(leader["args"])
    assert (told["--nnodes"], told["--node-rank"]) == ("2", "0")
    assert (told["--tensor-parallel-size"], told["--pipeline-parallel-size"]) == ("2", "2")
    assert told["--master-addr"] == "$(LWS_LEADER_ADDRESS)"
    assert "readinessProbe" in leader
    assert pairs(worker["args"])["--node-rank"] == "$(LWS_WORKER_INDEX)"
    assert "--headless" in worker["args"]
    assert "readinessProbe" not in worker


def test_the_service_leads_to_leaders_alone():
    spec = one(objects(stack(GROUP)), "Service", "model-large")["spec"]
    assert spec["selector"]["leaderworkerset.sigs.k8s.io/worker-index"] == "0"


def test_pods_of_a_group_reach_each_other():
    policy = one(objects(stack(GROUP)), "NetworkPolicy", "llmgen-model-large-group")["spec"]
    own = policy["podSelector"]
    assert own["matchLabels"]["app.kubernetes.io/name"] == "model-large"
    assert policy["ingress"] == [{"from": [{"podSelector": own}]}]
    assert policy["egress"] == [{"to": [{"podSelector": own}]}]


@pytest.mark.parametrize(("count", "fits"), [(2, "yes"), (1, "no")])
def test_every_pod_of_a_group_needs_a_node(count, fits):
    (proof,) = proofs(stack(GROUP.replace("count = 2", f"count = {count}")))
    assert proof.all_nodes.possible == fits


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('style = "lws"', 'style = "plain"', "LeaderWorkerSets"),
        ('engine = "vllm"\nmodel = "org/large"', 'model = "l.gguf"', "RPC has no password"),
        ('keep = "always"', 'keep = "on_demand"', "on demand"),
    ],
)
def test_what_cannot_be_over_several_nodes_is_refused(old, new, word):
    text = GROUP.replace(old, new)
    if "gguf" in new:
        text = text.partition("tensor_parallel_size")[0]
    with pytest.raises(ConfigError) as found:
        stack(text)
    (diagnostic,) = found.value.diagnostics
    assert diagnostic.code == "kubernetes.nodes"
    assert word in diagnostic.message
    assert diagnostic.hint


def test_an_endpoint_picker_picks_among_leaders():
    more = 'gateway = "inference-extension"'
    text = GROUP.replace("[kubernetes]", f"[kubernetes]\n{more}").replace("count = 2", "count = 4")
    found = objects(stack(text.replace("nodes = 2", "nodes = 2\nhosts = 2")))
    pods = one(found, "InferencePool", "model-large")["spec"]["selector"]
    assert pods["matchLabels"] == one(found, "Service", "model-large")["spec"]["selector"]
