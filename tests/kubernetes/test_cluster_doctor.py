"""Each rule about a cluster has one where it holds, one where it fails, one where nobody can tell."""

import pytest
from made import objects, stack

from llmgen.doctor.cluster_observations import ClusterSeen, NodeSeen
from llmgen.doctor.rules import cluster as rules

TEXT = """
[models.a]
model = "a.gguf"
ctx_size = 1024
[services]
api_key = { env = "KEY" }
[kubernetes]
gateway = "ai-gateway"
image_pull_secrets = ["registry"]
[kubernetes.pools.gpu]
count = 2
taints = [{ key = "gpu", value = "yes" }]
[gateway.envoy]
enable = true
"""
GIB = 1024**2
NEW = NodeSeen(
    "one",
    {"llmgen.io/pool": "gpu"},
    {"memory": f"{62 * GIB}Ki", "nvidia.com/gpu": "2", "cpu": "16"},
    (("gpu", "yes", "NoSchedule"), ("node.kubernetes.io/not-ready", "", "NoExecute")),
)


def node(**changes):
    told = {name: getattr(NEW, name) for name in NEW.__struct_fields__}
    return NodeSeen(**{**told, **changes})


def seen(**what):
    return ClusterSeen("lab", **what)


@pytest.fixture(scope="module")
def made():
    scene = stack(TEXT)
    return scene, objects(scene)


CASES = [
    (rules.reached, seen(), seen(reached="`lab` cannot be reached"), None),
    (rules.version, seen(server="v1.35.0-eks-1"), seen(server="v1.29.3"), seen(why={"server": "no"})),
    (
        rules.storage,
        seen(classes={"fast": False, "usual": True}),
        seen(classes={"fast": False}),
        seen(why={"classes": "`nobody` may not list storageclasses"}),
    ),
    (
        rules.secret,
        seen(secrets={"llmgen-keys": ("KEY",), "registry": (".dockerconfigjson",)}),
        seen(secrets={"llmgen-keys": ("OTHER",), "registry": None}),
        seen(),
    ),
    (rules.classes, seen(others={"GatewayClass eg": True}), seen(others={"GatewayClass eg": False}), seen()),
    (
        rules.nodes,
        seen(nodes=(NEW, node(name="two"), node(name="other", labels={}))),
        seen(nodes=(NEW, node(name="two", allocatable={"memory": "8Gi", "nvidia.com/gpu": "1"}))),
        seen(why={"nodes": "`nobody` may not list nodes"}),
    ),
    (
        rules.taints,
        seen(nodes=(NEW,)),
        seen(nodes=(node(taints=(("nvidia.com/gpu", "present", "NoSchedule"),)),)),
        seen(),
    ),
]  # fmt: skip


def verdicts(rule, made, what):
    return {item.verdict.value for item in rule(*made, what)}


@pytest.mark.parametrize(
    ("rule", "well", "ill", "blind"), CASES, ids=lambda item: getattr(item, "__name__", "")
)
def test_each_rule(rule, well, ill, blind, made):
    assert verdicts(rule, made, well) == {"ok"}
    assert verdicts(rule, made, ill) == {"failed"}
    assert blind is None or verdicts(rule, made, blind) == {"unknown"}


@pytest.mark.parametrize(
    ("rule", "well", "ill", "blind"), CASES, ids=lambda item: getattr(item, "__name__", "")
)
def test_every_failure_names_what_mends_it(rule, well, ill, blind, made):
    del well, blind
    assert all(item.fix and item.expected and item.observed for item in rule(*made, ill))


def test_every_rule_has_a_case():
    assert {case[0] for case in CASES} | {rules.resources} == {*rules.RULES}


def test_what_is_written_has_to_be_known_to_the_server(made):
    wanted = rules.wanted_kinds(made[1])
    there = {api: tuple(kinds) for api, kinds in wanted.items()}
    assert verdicts(rules.resources, made, seen(kinds=there)) == {"ok"}
    api = "aigateway.envoyproxy.io/v1beta1"
    other = "aigateway.envoyproxy.io/v1alpha1"
    old = seen(kinds={**there, api: None}, groups=("v1", other))
    (failed,) = (item for item in rules.resources(*made, old) if item.verdict.value == "failed")
    assert (failed.subject, failed.observed) == (api, f"it is not there; there is {other}")
    (failed,) = (
        item
        for item in rules.resources(*made, seen(kinds={**there, "apps/v1": ("StatefulSet",)}))
        if item.verdict.value == "failed"
    )
    assert failed.observed == "no Deployment in it"
    assert verdicts(rules.resources, made, seen()) == {"unknown"}


def test_a_claim_of_somebody_else_has_to_be_bound():
    scene = stack(TEXT + '[kubernetes.storage]\nclaim = "shared"\n')
    made = scene, objects(scene)
    for phase, verdict in (("Bound", "ok"), ("Pending", "failed"), (None, "failed")):
        assert verdicts(rules.storage, made, seen(claims={"shared": phase})) == {verdict}
    assert verdicts(rules.storage, made, seen()) == {"unknown"}


def test_what_keeps_pods_from_nodes_is_named(made):
    lacking = node(allocatable={"memory": "8Gi", "nvidia.com/gpu": "1", "cpu": "16"})
    (found,) = rules.nodes(*made, seen(nodes=(lacking, node(name="two", is_cordoned=True))))
    assert found.expected == "2 nodes with llmgen.io/pool=gpu, each 62.0 GiB, 2 nvidia.com/gpu"
    assert "`one` has 8.0 GiB, 1 nvidia.com/gpu" in found.observed
    assert "`two` is not ready or is cordoned" in found.observed
    (found,) = rules.taints(*made, seen(nodes=(node(taints=(("a", "b", "NoExecute"),)),)))
    assert found.fix.startswith('`taints = [{ key = "a", value = "b", effect = "NoExecute" }]`')


def test_a_taint_of_any_value_is_tolerated():
    scene = stack(TEXT.replace('key = "gpu", value = "yes"', 'key = "gpu"'))
    (found,) = rules.taints(scene, objects(scene), seen(nodes=(NEW,)))
    assert found.verdict.value == "ok"


def test_values_of_secrets_are_never_asked_for(made, tmp_path, monkeypatch):
    from foreign_kubectl import put  # noqa: PLC0415

    from llmgen.doctor.cluster import look  # noqa: PLC0415
    from llmgen.operate.kubectl.place import ClusterPlace  # noqa: PLC0415
    from llmgen.operate.kubectl.reach import Reach  # noqa: PLC0415

    calls = put(
        tmp_path / "bin",
        "print('{}' if '--output=json' in words or '--raw=/version' in words else 'KEY')",
        monkeypatch,
    )
    look(Reach(ClusterPlace("lab", "llm")), *made)
    of_secrets = [words for words in calls if "secret" in words]
    assert len(of_secrets) == 2
    for words in of_secrets:
        (output,) = (word for word in words if word.startswith("--output"))
        assert output.startswith("--output=go-template=")
        assert "$value}}" not in output.replace("$key, $value := .data}}", "")
