"""The control plane judges as a cluster's would: strict fields, Pod Security, nodes that are full."""

import json

import pytest
from control_plane import API_SERVER, SCHEDULING, control_plane, node

pytestmark = pytest.mark.thorough

GPU = "nvidia.com/gpu"


def pod(name, *, namespace="llm", gpus=0, **fields):
    wants = {"cpu": "1", "memory": "1Gi", **({GPU: str(gpus)} if gpus else {})}
    limits = {"requests": wants, "limits": wants}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "main", "image": "none", "resources": limits, **fields}]},
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with control_plane(tmp_path_factory.mktemp("server")) as cluster:
        cluster.namespace("llm")
        yield cluster


@pytest.mark.reader(*API_SERVER)
def test_an_unknown_field_is_refused_by_name(server):
    wrong = pod("coder", startupProbe={"failureTreshold": 3, "tcpSocket": {"port": 80}})
    how = ("--dry-run=server", "--validate=strict")
    done = server.kubectl("apply", *how, "--filename", "-", given=json.dumps(wrong), check=False)
    assert done.returncode == 1
    assert 'unknown field "spec.containers[0].startupProbe.failureTreshold"' in done.stderr
    # Another part of the server, with its own words.
    done = server.apply([wrong], "--dry-run=server", check=False)
    assert done.returncode == 1
    assert "startupProbe.failureTreshold: field not declared in schema" in done.stderr


@pytest.mark.reader(*API_SERVER)
def test_an_object_that_is_applied_differs_in_nothing(server):
    text = json.dumps(pod("twice"))
    server.kubectl("apply", "--server-side", "--filename", "-", given=text)
    assert server.kubectl("diff", "--server-side", "--filename", "-", given=text).stdout == ""


@pytest.mark.reader(*API_SERVER)
def test_a_restricted_namespace_refuses_a_pod_that_may_be_root(server):
    server.namespace("strict", {"pod-security.kubernetes.io/enforce": "restricted"})
    done = server.apply([pod("root", namespace="strict")], check=False)
    assert done.returncode == 1
    assert 'violates PodSecurity "restricted:latest"' in done.stderr
    assert "runAsNonRoot != true" in done.stderr


@pytest.mark.reader(*API_SERVER)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ai-gateway", "aigatewayroutes.aigateway.envoyproxy.io"),
        ("envoy-gateway", "backends.gateway.envoyproxy.io"),
        ("external-secrets", "externalsecrets.external-secrets.io"),
        ("gateway-api", "httproutes.gateway.networking.k8s.io"),
        ("inference-extension", "inferencepools.inference.networking.k8s.io"),
        ("keda", "scaledobjects.keda.sh"),
        ("keda-http", "httpscaledobjects.http.keda.sh"),
        ("kserve", "llminferenceservices.serving.kserve.io"),
        ("lws", "leaderworkersets.leaderworkerset.x-k8s.io"),
        ("prometheus-operator", "servicemonitors.monitoring.coreos.com"),
    ],
)
def test_custom_resources_are_known_once_they_are_installed(server, name, kind):
    server.install(name)
    assert server.get(kind, "--all-namespaces")["items"] == []


@pytest.mark.reader(*SCHEDULING)
def test_pods_run_where_they_fit_and_one_more_stays_pending(tmp_path):
    with control_plane(tmp_path, nodes=[node("a", {"memory": "64Gi", GPU: 2})]) as cluster:
        cluster.namespace("llm")
        cluster.apply([pod("first", gpus=1), pod("second", gpus=1)])
        running = {"first": "Running", "second": "Running"}
        cluster.until(lambda: cluster.phases("llm") == running)
        cluster.apply([pod("third", gpus=1)])
        why = cluster.until(lambda: cluster.unscheduled("llm"))
        assert "Insufficient nvidia.com/gpu" in why["third"]
        assert cluster.phases("llm") == {**running, "third": "Pending"}
