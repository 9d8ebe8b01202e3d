"""A real Kubernetes on loopback without kubelets: etcd, the API server, and by choice what schedules.

with control_plane(tmp_path, nodes=[node("a", {"memory": "64Gi", "nvidia.com/gpu": 1})]) as cluster:
    cluster.install("keda")
    cluster.kubectl("apply", "--validate=strict", "--filename", "-", given=text)
"""

import contextlib
import json
import os
import secrets
import ssl
import subprocess
import time

import httpx
import readers
from readers.ports import free_ports
from readers.running import running

# What a test names in its marker `reader`.
API_SERVER = ("etcd", "kube-apiserver", "kubectl", "openssl")
SCHEDULING = (*API_SERVER, "kube-controller-manager", "kube-scheduler", "kwok")
# The context of the kubeconfig; a file of a test names it.
CONTEXT = "test"
FAKE = {"kwok.x-k8s.io/node": "fake"}


@contextlib.contextmanager
def control_plane(folder, *, crds=(), nodes=None):
    """A cluster with its files in ``folder``, and the custom resources of ``crds`` (`keda` is the pin `keda-crds`).

    With ``nodes`` (see `node`; more can be applied later) controllers and scheduler run, and KWOK
    lets the nodes seem ready and the pods on them seem to run. Without, objects are stored and
    nothing happens to them.
    """
    with contextlib.ExitStack() as stack:
        ports = free_ports(6)
        cluster = ControlPlane(folder, ports[2], alone=nodes is None)
        # They end the other way round: an API server without its etcd would hang.
        stack.enter_context(_etcd(folder, ports))
        stack.enter_context(_api_server(cluster, ports))
        if nodes is not None:
            stack.enter_context(_controllers(cluster, ports[3]))
            stack.enter_context(_scheduler(cluster, ports[4]))
            stack.enter_context(_kwok(cluster, ports[5]))
            cluster.apply(nodes)
        cluster.install(*crds)
        try:
            yield cluster
        finally:
            cluster.close()


def node(name, allocatable, *, labels=None, taints=()):
    """A node that KWOK keeps; ``allocatable`` has cpu, memory, and devices by their resource names."""
    holds = {"cpu": "64", "pods": "110", **{key: str(value) for key, value in allocatable.items()}}
    known = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**known, **(labels or {})}, "annotations": FAKE},
        "spec": {"taints": list(taints)},
        "status": {"allocatable": holds, "capacity": holds},
    }


def volume(name, storage, *, storage_class="", modes=("ReadWriteOnce",)):
    """A volume for a claim of this class: nothing makes any here."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "accessModes": list(modes),
            "capacity": {"storage": storage},
            "hostPath": {"path": f"/nowhere/{name}"},
            "storageClassName": storage_class,
        },
    }


class ControlPlane:
    """A running cluster: its files, and the ways to ask it."""

    def __init__(self, folder, port, *, alone):
        self.folder, self.port = folder, port
        # Whether no controller runs.
        self.alone = alone
        self.url = f"https://127.0.0.1:{port}"
        self.kubeconfig = folder / "kubeconfig"
        self.token = secrets.token_hex(16)
        self._installed = set()
        self._client = None
        _private(self.kubeconfig, json.dumps(self._config()))

    def close(self):
        """No more is read."""
        if self._client is not None:
            self._client.close()

    def kubectl(self, *words, given=None, check=True):
        """kubectl's answer; it knows this cluster alone."""
        done = subprocess.run(
            [readers.find("kubectl"), *map(str, words)],
            input=given,
            env={**self.environment(), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, f"kubectl {words}: {done.stdout}{done.stderr}"
        return done

    def environment(self):
        """What a program needs that reads the kubeconfig as kubectl does."""
        return {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder)}

    def apply(self, objects, *words, check=True):
        """kubectl's server-side apply of these objects, strictly validated."""
        if not objects:
            return None
        # Not as a `List`: kubectl would judge that itself, by rules of its own.
        given = "\n---\n".join(map(json.dumps, objects))
        how = ("--server-side", "--validate=strict", *words)
        return self.kubectl("apply", *how, "--filename", "-", given=given, check=check)

    def namespace(self, name, labels=None):
        """A namespace that pods are let into."""
        metadata = {"name": name, "labels": labels or {}}
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])
        # A controller makes its service account in a moment; without one no pod is.
        if not self.alone:
            self.until(lambda: self.get("serviceaccounts", "--namespace", name)["items"])

    def get(self, *words):
        """What `kubectl get` finds, as values."""
        return json.loads(self.kubectl("get", *words, "--output", "json").stdout)

    def read(self, path):
        """A page of the API by its path, without a program for each look."""
        if self._client is None:
            context = ssl.create_default_context(cafile=self.folder / "tls" / "apiserver.crt")
            headers = {"Authorization": f"Bearer {self.token}"}
            self._client = httpx.Client(
                base_url=self.url, verify=context, headers=headers, trust_env=False, timeout=30
            )
        answer = self._client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def install(self, *names):
        """Add the custom resources of these projects, each once."""
        for name in names:
            if name not in self._installed:
                self._add_definitions(name)
                self._installed.add(name)

    def phases(self, namespace):
        """The phase of each pod by its name."""
        pods = self.get("pods", "--namespace", namespace)["items"]
        return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in pods}

    def unscheduled(self, namespace):
        """Why the scheduler holds back a pod, by the pod's name."""
        return {
            pod["metadata"]["name"]: condition["message"]
            for pod in self.get("pods", "--namespace", namespace)["items"]
            for condition in pod["status"].get("conditions", ())
            if condition["type"] == "PodScheduled" and condition["status"] == "False"
        }

    def until(self, holds, seconds=60):
        """The first true value of ``holds()``; the last one fails the test."""
        end_of_patience = time.monotonic() + seconds
        while not (value := holds()):
            assert time.monotonic() < end_of_patience, value
            time.sleep(0.1)
        return value

    def _add_definitions(self, name):
        pin = readers.PINS[f"{name}-crds"]
        (first,) = pin["programs"]
        folder = readers.find(first).parent
        # Larger than what a client-side apply may note in an annotation.
        self.kubectl("apply", "--server-side", "--filename", folder)
        # `kubectl wait` ends in an error of its own where it comes before the first condition.
        self.until(lambda: all(map(_is_established, self._definitions(folder))))

    def _definitions(self, folder):
        found = self.get("--filename", folder)
        return found.get("items", [found])

    def _config(self):
        # The server signs its certificate itself, and writes it when it starts.
        server = {
            "server": self.url,
            "certificate-authority": str(self.folder / "tls" / "apiserver.crt"),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT, "cluster": server}],
            "users": [{"name": CONTEXT, "user": {"token": self.token}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
            "current-context": CONTEXT,
        }


def _is_established(definition):
    conditions = definition.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _etcd(folder, ports):
    client, peer = (f"http://127.0.0.1:{port}" for port in ports[:2])
    argv = [
        readers.find("etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        # What is lost with the machine is a test's.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    return running(argv, ready=f"{client}/health", log=folder / "etcd.log")


def _api_server(cluster, ports):
    folder = cluster.folder
    _private(folder / "tokens.csv", f"{cluster.token},admin,admin,system:masters\n")
    _key(folder / "accounts.key")
    argv = [
        readers.find("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{ports[0]}",
        "--bind-address=127.0.0.1",
        f"--secure-port={cluster.port}",
        f"--cert-dir={folder / 'tls'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'accounts.key'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        # It wants to publish an address that is not loopback's; this one is nobody's, and not published.
        "--advertise-address=192.0.2.1",
        "--endpoint-reconciler-type=none",
    ]
    if cluster.alone:
        # No controller makes a namespace's service account, without which no pod is let in.
        argv.append("--disable-admission-plugins=ServiceAccount")
    return running(argv, ready=f"{cluster.url}/readyz", log=folder / "kube-apiserver.log")


def _controllers(cluster, port):
    argv = [
        readers.find("kube-controller-manager"),
        *_client(cluster, port),
        f"--service-account-private-key-file={cluster.folder / 'accounts.key'}",
    ]
    return _component(cluster, port, argv)


def _scheduler(cluster, port):
    return _component(cluster, port, [readers.find("kube-scheduler"), *_client(cluster, port)])


def _client(cluster, port):
    return [
        f"--kubeconfig={cluster.kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={cluster.folder / 'tls'}",
        # A test's stack comes at once, a cluster's over hours.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]


def _component(cluster, port, argv):
    log = cluster.folder / f"{argv[0].name}.log"
    return running(argv, ready=f"https://127.0.0.1:{port}/healthz", log=log)


def _kwok(cluster, port):
    ((key, value),) = FAKE.items()
    argv = [
        readers.find("kwok"),
        f"--kubeconfig={cluster.kubeconfig}",
        f"--manage-nodes-with-annotation-selector={key}={value}",
        f"--server-address=127.0.0.1:{port}",
    ]
    log = cluster.folder / "kwok.log"
    return running(argv, ready=f"http://127.0.0.1:{port}/healthz", log=log)


def _key(path):
    """A key that signs the tokens of service accounts."""
    words = [readers.find("openssl"), "genrsa", "-out", path, "2048"]
    subprocess.run(words, check=True, capture_output=True)


def _private(path, text):
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")
