"""KEDA's own interceptor before a model without a pod: a request waits for one, and is answered."""

import json
import threading

import httpx
import pytest
import readers
from control_plane import API_SERVER, control_plane
from echo_server import echo
from envoy_of_pods import told
from made import objects, one, stack
from pod_stacks import ASLEEP
from readers.ports import free_ports
from readers.running import running

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.reader(*API_SERVER, "interceptor", "http.keda.sh_httpscaledobjects.yaml", "envoy"),
]

ASKED = {"model": "chat-1.7b", "messages": [{"role": "user", "content": "?"}]}
FOUND = objects(stack(ASLEEP))
CHAT = next(
    item["metadata"]["name"]
    for item in FOUND
    if item["kind"] == "HTTPScaledObject" and "chat" in item["metadata"]["name"]
)


def slices(service, *addresses, namespace="llm"):
    """Where the pods of a Service are, as a controller would say it."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": service,
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in addresses],
        "ports": [{"name": "http", "port": 9001, "protocol": "TCP"}],
    }


class Stack:
    """A stack in the API server, with its Envoy and an interceptor on this machine."""

    def __init__(self, cluster, ports):
        self.cluster = cluster
        self.url = f"http://127.0.0.1:{ports[1]}/v1/chat/completions"
        self.interceptor, self.admin = (f"http://127.0.0.1:{port}" for port in (ports[2], ports[4]))

    def waiting(self, namespace="llm"):
        """How many requests for the model the interceptor has in work."""
        counted = httpx.get(f"{self.admin}/queue").json()
        return counted.get(f"{namespace}/{CHAT}", {}).get("Concurrency", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """No Service has a name here: the echo server is the proxy by which the interceptor asks pods."""
    folder, ports = tmp_path_factory.mktemp("asleep"), free_ports(6)
    with control_plane(folder, crds=("keda-http",)) as cluster, echo() as pods:
        cluster.namespace("llm")
        cluster.apply([item for item in FOUND if item["kind"] in ("Service", "HTTPScaledObject")])
        cluster.apply([slices(CHAT), slices("model-e")])
        interceptor = {
            **cluster.environment(),
            "HTTP_PROXY": f"http://127.0.0.1:{pods}",
            "KEDA_HTTP_CURRENT_NAMESPACE": "keda",
            "KEDA_HTTP_PROXY_PORT": str(ports[2]),
            "KEDA_HTTP_ADMIN_PORT": str(ports[4]),
            "OTEL_PROM_EXPORTER_PORT": str(ports[5]),
        }
        envoy = [
            readers.find("envoy"), "--config-path", told(folder, ASLEEP, ports), "--log-level",
            "error", "--use-dynamic-base-id",
        ]  # fmt: skip
        with (
            running(
                [readers.find("interceptor")],
                ready=f"http://127.0.0.1:{ports[4]}/queue",
                log=folder / "interceptor.log",
                env=interceptor,
            ),
            running(
                envoy,
                ready=f"http://127.0.0.1:{ports[0]}/ready",
                log=folder / "envoy.log",
                env={"NAMESPACE": "llm"},
            ),
        ):
            found = Stack(cluster, ports)
            cluster.until(lambda: is_known(found))
            yield found


def is_known(found):
    """Whether the interceptor has read the objects: it then waits for a pod, and says so later."""
    try:
        host = f"interceptor-{CHAT}.llm"
        # Without a body: then it hears at once that nobody waits any more.
        answer = httpx.get(found.interceptor, headers={"Host": host}, timeout=0.5)
    except httpx.ReadTimeout:
        return True
    assert answer.status_code == 404
    return False


def test_a_request_waits_until_there_is_a_pod_and_is_answered(made):
    made.cluster.until(lambda: made.waiting() == 0)
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.post(made.url, json=ASKED, timeout=60))
    )
    asking.start()
    made.cluster.until(lambda: made.waiting() == 1)
    assert not answers
    made.cluster.apply([slices(CHAT, "10.0.0.7")])
    asking.join(60)
    (answer,) = answers
    assert answer.status_code == 200, answer.text
    heard = answer.json()
    # What is told a proxy, too.
    assert heard["path"] == f"http://interceptor-{CHAT}.llm/v1/chat/completions"
    assert heard["host"] == f"interceptor-{CHAT}.llm"
    assert heard["asked"]["messages"] == ASKED["messages"]
    made.cluster.until(lambda: made.waiting() == 0)


def test_a_client_does_not_choose_the_model_by_its_host(made):
    made.cluster.apply([slices(CHAT, "10.0.0.7")])
    lies = {"Host": "interceptor-model-e.llm", "x-llm-interceptor": "interceptor-model-e.llm"}
    heard = httpx.post(made.url, json=ASKED, headers=lies, timeout=60).json()
    assert heard["host"] == f"interceptor-{CHAT}.llm"


def test_the_same_model_of_another_namespace_is_another(made):
    other = objects(stack(f'{ASLEEP}[kubernetes]\nnamespace = "other"\n'))
    made.cluster.namespace("other")
    made.cluster.apply([one(other, "HTTPScaledObject", CHAT), slices(CHAT, namespace="other")])
    made.cluster.apply([slices(CHAT, "10.0.0.7")])
    assert httpx.post(made.url, json=ASKED, timeout=60).status_code == 200
    theirs = {"Host": f"interceptor-{CHAT}.other"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(made.interceptor, headers=theirs, timeout=1)


def test_nothing_of_the_stack_wakes_a_model_by_itself(made):
    scaled = json.dumps(one(FOUND, "HTTPScaledObject", "model-e"))
    assert "interceptor-model-e.llm" in scaled
    counted = httpx.get(f"{made.admin}/queue").json()
    assert counted.get("llm/model-e", {}).get("Concurrency", 0) == 0
