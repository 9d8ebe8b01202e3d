"""The verbs on a real API server, scheduler and controllers: KWOK's nodes let pods seem to run."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from control_plane import CONTEXT, SCHEDULING, control_plane, node, volume

from llmgen.cli.boundary import root

pytestmark = [pytest.mark.thorough, pytest.mark.reader(*SCHEDULING)]
REPOSITORY = Path(__file__).parents[2]
GPU = "nvidia.com/gpu"
TEXT = """
edition = 2
[hardware]
profile = "nvidia-24gb"
[paths]
home = "/home/llm"
[models.coder]
model = "Qwen3-Coder-30B-A3B-Instruct-GGUF/Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf"
ctx_size = 16384
keep = "always"
[kubernetes.pools.gpu]
count = 2
[kubernetes.storage]
storage_class = "none"
access_mode = "ReadWriteMany"
"""


def a_node(name, **more):
    return node(name, {"memory": "60Gi", GPU: 1}, labels={"llmgen.io/pool": "gpu"}, **more)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    nodes = [a_node("one"), a_node("two")]
    with control_plane(tmp_path_factory.mktemp("plane"), nodes=nodes) as made:
        for name in ("a", "b", "c", "d"):
            made.apply([volume(name, "500Gi", storage_class="none", modes=("ReadWriteMany",))])
        yield made


@pytest.fixture
def llmgen(cluster, tmp_path, monkeypatch, request):
    """llmgen in a namespace of the test's own."""
    namespace = request.node.name.replace("_", "-")[:50].strip("-")
    monkeypatch.chdir(tmp_path)
    for key, value in cluster.environment().items():
        monkeypatch.setenv(key, value)
    Path("llm.lock").write_bytes((REPOSITORY / "llm.lock").read_bytes())

    def write(text=""):
        head = f'kubernetes.namespace = "{namespace}"\nkubernetes.context = "{CONTEXT}"\n'
        Path("llm.toml").write_text(head + TEXT + text)

    def run(*words, code=0):
        name, *others = words
        done = CliRunner().invoke(root, [name, "--json", *others])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    run.namespace, run.write, run.cluster = namespace, write, cluster
    write()
    yield run
    cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def changed(answer):
    return {(row["action"], row["object"].partition("/")[0]) for row in answer["data"]["changes"]}


def test_from_nothing_to_ready_pods_and_back(llmgen):
    planned = llmgen("install", "--dry-run")
    assert [item["code"] for item in planned["diagnostics"]] == ["kubernetes.not-judged"]
    told = ("get", "namespace", llmgen.namespace, "--ignore-not-found")
    assert llmgen.cluster.kubectl(*told).stdout == ""
    done = llmgen("install", "--wait-timeout", "120")
    assert done["data"]["ready"] is True
    assert done["data"]["generation"] == 1
    assert llmgen("diff")["data"]["diff"] == ""
    llmgen("generate")
    files = llmgen.cluster.kubectl("kustomize", "generated/kubernetes/base").stdout
    told = ("diff", "--server-side", "--field-manager=llmgen", "--filename", "-")
    assert llmgen.cluster.kubectl(*told, given=files).stdout == ""
    (row,) = llmgen("status")["data"]["units"]
    assert (row["name"], row["pool"], row["ready"], row["wanted"]) == ("model-coder", "gpu", 1, 1)
    assert row["state"] == "ready"
    assert row["nodes"] in (["one"], ["two"])
    assert llmgen("install")["data"] | {"ready": 0} == {
        "changes": [],
        "context": CONTEXT,
        "generation": None,
        "namespace": llmgen.namespace,
        "ready": 0,
    }
    gone = llmgen("uninstall")
    assert ("stay", "PersistentVolumeClaim") in changed(gone)
    codes = [item["code"] for item in gone["diagnostics"]]
    assert codes == ["kubernetes.claims-stay", "kubernetes.namespace-stays"]
    left = llmgen.cluster.get("deployments,persistentvolumeclaims", "--namespace", llmgen.namespace)
    assert [item["kind"] for item in left["items"]] == ["PersistentVolumeClaim"]
    assert ("delete", "PersistentVolumeClaim") in changed(llmgen("uninstall", "--delete-models"))


def test_a_pod_more_than_there_are_nodes_is_told_with_the_schedulers_words(llmgen):
    llmgen.cluster.kubectl("cordon", "two")
    try:
        Path("llm.toml").write_text(
            Path("llm.toml").read_text().replace('keep = "always"', 'keep = "always"\nhosts = 2')
        )
        done = llmgen("install", "--wait-timeout", "8", code=4)
        (only,) = (item for item in done["diagnostics"] if item["code"] == "kubernetes.not-ready")
        assert "1 of 2 ready" in only["message"]
        assert "node(s) were unschedulable" in only["message"]
        status = llmgen("status", code=1)["data"]["units"][0]
        assert status["state"] == "pending"
        findings = llmgen("doctor", code=1)["data"]["findings"]
        (pool,) = (item for item in findings if item["rule"] == "node-pool")
        assert pool["verdict"] == "failed"
        assert "`two` is not ready or is cordoned" in pool["observed"]
    finally:
        llmgen.cluster.kubectl("uncordon", "two")


def test_rollback_applies_what_was_before(llmgen):
    llmgen("install", "--no-wait")
    text = Path("llm.toml").read_text()
    Path("llm.toml").write_text(text.replace("16384", "8192"))
    assert ("update", "Deployment") in changed(llmgen("install", "--no-wait"))
    assert llmgen("diff")["data"]["changes"] == []
    back = llmgen("rollback")
    assert back["data"]["generation"] == 3
    assert llmgen("diff", code=1)["data"]["changes"]
    Path("llm.toml").write_text(text)
    assert llmgen("diff")["data"]["changes"] == []
    known = llmgen("generations")["data"]["generations"]
    assert [row["reason"] for row in known] == ["install", "install", "rollback to 1"]
    assert llmgen("generations", "--prune", "1")["data"]["dropped"] == [1, 2]


def test_rollback_comes_back_at_once_where_that_is_said(llmgen):
    llmgen("install", "--no-wait")
    Path("llm.toml").write_text(Path("llm.toml").read_text().replace("16384", "8192"))
    assert llmgen("install")["data"]["ready"] is True
    assert "ready" not in llmgen("rollback", "--no-wait")["data"]
    done = CliRunner().invoke(root, ["rollback", "--no-wait", "--wait-timeout", "9"])
    assert (done.exit_code, done.stdout) == (2, "")


def test_objects_of_others_are_neither_taken_over_nor_deleted(llmgen):
    space = ("--namespace", llmgen.namespace)
    llmgen.cluster.kubectl("create", "namespace", llmgen.namespace)
    llmgen.cluster.kubectl("create", "service", "clusterip", "model-coder", "--tcp=80", *space)
    llmgen.cluster.kubectl("create", "configmap", "mine", *space)
    refused = llmgen("install", code=6)
    assert [item["code"] for item in refused["diagnostics"]] == ["kubernetes.not-ours"]
    assert llmgen.cluster.get("deployments", *space)["items"] == []
    llmgen.cluster.kubectl("delete", "service", "model-coder", *space)
    llmgen("install", "--no-wait")
    llmgen("uninstall", "--delete-models")
    names = [item["metadata"]["name"] for item in llmgen.cluster.get("configmaps", *space)["items"]]
    assert "mine" in names


def test_fields_of_another_manager_are_a_conflict_with_its_name(llmgen):
    llmgen("install", "--no-wait")
    space = ("--namespace", llmgen.namespace)
    llmgen.cluster.kubectl("scale", "deployment", "model-coder", "--replicas=2", *space)
    (only,) = llmgen("install", "--no-wait", code=4)["diagnostics"]
    assert only["code"] == "kubernetes.conflict"
    assert "`Deployment/model-coder`: `kubectl`" in only["message"]
    assert "+  replicas: 1" in llmgen("diff", code=1)["data"]["diff"]
    llmgen("install", "--no-wait", "--force-conflicts")
    assert llmgen("diff")["data"]["changes"] == []


def test_what_is_no_longer_wanted_goes_and_only_that(llmgen):
    llmgen.write("[gateway.envoy]\nenable = true\n")
    llmgen("install", "--no-wait")
    llmgen.write()
    gone = changed(llmgen("install", "--no-wait"))
    assert {("delete", "Deployment"), ("delete", "Service")} <= gone
    space = ("--namespace", llmgen.namespace)
    left = llmgen.cluster.get("deployments", *space)["items"]
    assert [item["metadata"]["name"] for item in left] == ["model-coder"]


def test_a_user_who_may_not_is_told_what(llmgen, cluster, monkeypatch, tmp_path):
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"]["as"] = "nobody"
    (tmp_path / "nobody").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nobody"))
    (only,) = llmgen("status", code=4)["diagnostics"]
    assert only["code"] == "kubernetes.forbidden"
    findings = llmgen("doctor")["data"]["findings"]
    (pool,) = (item for item in findings if item["rule"] == "node-pool")
    assert pool["verdict"] == "unknown"
    assert "`nobody` may not list nodes" in pool["observed"]


def test_what_is_the_whole_clusters_is_known_and_stays(llmgen):
    llmgen.write("[gateway.envoy]\nenable = true\n")
    text = Path("llm.toml").read_text()
    Path("llm.toml").write_text(text.replace("count = 2", "count = 2\npriority = 1000"))
    assert ("create", "PriorityClass") in changed(llmgen("install", "--no-wait"))
    assert llmgen("diff")["data"]["changes"] == []
    assert "PriorityClass" not in {kind for _, kind in changed(llmgen("uninstall"))}
    assert llmgen.cluster.get("priorityclasses", "--selector=app.kubernetes.io/part-of=llmgen")[
        "items"
    ]


def test_an_environment_has_a_namespace_of_its_own(llmgen):
    llmgen.write(f'[kubernetes.environments.test]\nnamespace = "{llmgen.namespace}-2"\n')
    try:
        done = llmgen("install", "--no-wait", "--environment", "test")
        assert done["data"]["namespace"] == f"{llmgen.namespace}-2"
        assert llmgen("diff", "--environment", "test")["data"]["changes"] == []
        assert llmgen("diff", code=1)["data"]["changes"]
    finally:
        llmgen.cluster.kubectl("delete", "namespace", f"{llmgen.namespace}-2", "--wait=false")
