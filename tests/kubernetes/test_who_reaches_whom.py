"""NetworkPolicies as sets, on random stacks: every pair of pods and every port that matters."""

import random

import pytest
from made import HEAD, objects, stack
from policy_rules import Peer, allows

EXTERNAL = {
    "by-address": (
        "http://10.9.9.9:8000",
        lambda to, port: (to.address, port) == ("10.9.9.9", 8000),
    ),
    "by-name": ("https://api.example.com/v1", lambda _, port: port == 443),
    "by-service": ("http://vllm.other.svc.cluster.local:80", lambda to, _: to.namespace == "other"),
}
OUTSIDE = [
    Peer("friend", "llm", {"llmgen.io/client": "true"}, address="10.1.0.1"),
    Peer("stranger", "llm", {"app": "x"}, address="10.1.0.2"),
    Peer("foreign", "elsewhere", {"llmgen.io/client": "true"}, address="10.1.0.3"),
    Peer("other", "other", address="10.1.0.4"),
    Peer("prometheus", "monitoring", address="10.1.0.5"),
    Peer("dns", "kube-system", {"k8s-app": "kube-dns"}, address="10.1.0.6"),
    Peer("system", "kube-system", {"k8s-app": "x"}, address="10.1.0.7"),
    Peer("data-plane", "envoy-gateway-system", address="10.1.0.8"),
    Peer("interceptor", "keda", address="10.1.0.9"),
    Peer("world", address="203.0.113.7"),
    Peer("server-elsewhere", address="10.9.9.9"),
]
PORTS = (53, 80, 443, 4000, 4001, 8000, 8080, 9100, 9902)


class Wanted:
    """A random stack, and who may reach whom in it by the words of the manual."""

    def __init__(self, seed):
        pick = random.Random(seed)
        self.outer = pick.random() < 0.25
        self.envoy = not self.outer and pick.random() < 0.6
        self.litellm = not self.outer and pick.random() < 0.4
        self.keyed = {name for name in ("envoy", "litellm") if pick.random() < 0.5}
        self.image = pick.random() < 0.5
        self.hub = pick.random() < 0.5
        self.vllm = pick.random() < 0.5
        self.monitored = pick.random() < 0.5
        self.metrics = pick.random() < 0.5
        self.external = [name for name in EXTERNAL if pick.random() < 0.4]
        self.always = pick.randint(0, 2)
        sleeps = self.envoy and not self.litellm and (self.always or self.vllm)
        self.asleep = bool(sleeps) and pick.random() < 0.5

    @property
    def text(self):
        lines = [f"kubernetes.monitoring.enable = {str(self.monitored).lower()}"]
        if self.asleep:
            lines.append('kubernetes.scale = { enable = true, by = "http-add-on", min = 0 }')
        if self.image:
            lines.append('kubernetes.llmgen_image = "x/llmgen:1"')
        if self.outer:
            lines.append('kubernetes.gateway = "ai-gateway"')
        lines += [f"[gateway.envoy]\nenable = {str(self.envoy).lower()}"]
        if "envoy" in self.keyed:
            lines.append('api_keys = [{ name = "all", secret = { env = "KEY" } }]')
        if self.metrics:
            lines.append("metrics_port = 9100")
        lines += [f"[gateway.litellm]\nenable = {str(self.litellm).lower()}"]
        if "litellm" in self.keyed:
            lines.append('master_key = { env = "KEY" }')
        if self.metrics:
            lines.append("prometheus = true")
        for name in self.external:
            lines.append(f'[external.{name}]\nendpoint = "{EXTERNAL[name][0]}"')
        source = 'hf_repo = "o/r"' if self.hub else 'model = "m.gguf"'
        lines.append(f"[models.m]\n{source}\nctx_size = 1024\ndefault = true")
        for number in range(self.always):
            lines.append(f'[models.a{number}]\nmodel = "a.gguf"\nctx_size = 1024\nkeep = "always"')
        if self.vllm:
            lines.append(
                '[models.v]\nengine = "vllm"\nhf_repo = "o/v"\nkeep = "always"\n'
                'memory.host = "1GiB"\ntrust_remote_code = true\ncontainer.image = "x/vllm:1"'
            )
        return "\n".join(lines) + "\n"

    def allows(self, source, target, port, protocol):
        return self._leaves(source, target, port, protocol) and self._enters(
            source, target, port, protocol
        )

    def _leaves(self, source, target, port, protocol):
        kind = source.labels.get("app.kubernetes.io/component")
        if kind is None:
            return True
        is_dns = target.name == "dns" and port == 53
        loads = kind == "download" or source.name == "model-v"
        if kind != "gateway" and not loads:
            return False
        if is_dns:
            return True
        if protocol != "TCP":
            return False
        if loads:
            return port == 443
        if self.asleep and (target.name, port) == ("interceptor", 8080):
            return True
        to_server = port == target.ports.get("http") and self._is_server(target)
        return to_server or any(EXTERNAL[name][1](target, port) for name in self.external)

    def _enters(self, source, target, port, protocol):
        if "app.kubernetes.io/part-of" not in target.labels:
            return True
        if protocol != "TCP":
            return False
        measures = self.monitored and source.name == "prometheus"
        # Envoy's usual port for it, where llm.toml names none.
        if target.name == "envoy" and port == (9100 if self.metrics else 9902):
            return measures
        if port != target.ports.get("http"):
            return False
        from_outer = self.outer and source.name == "data-plane"
        if self._is_server(target):
            if self.asleep and source.name == "interceptor":
                return True
            if not (self.envoy or self.litellm or self.outer):
                return measures or source.namespace == "llm"
            return measures or from_outer or source.name in ("envoy", "litellm")
        if target.name in ("envoy", "litellm"):
            if target.name in self.keyed or source.name == "friend":
                return True
            return measures and self.metrics and target.name == "litellm"
        return False

    @staticmethod
    def _is_server(target):
        return target.labels.get("app.kubernetes.io/component") in ("model", "swap", "router")


def pods(found):
    """The pods of a stack, each once."""
    for number, item in enumerate(found):
        template = item.get("spec", {}).get("template")
        if template:
            labels = template["metadata"]["labels"]
            (container,) = template["spec"]["containers"]
            ports = {one["name"]: one["containerPort"] for one in container.get("ports", ())}
            name = labels["app.kubernetes.io/name"]
            yield Peer(name, "llm", labels, ports, f"10.2.0.{number}")


@pytest.mark.sample(3)
@pytest.mark.parametrize("seed", range(40))
def test_only_what_is_needed_is_allowed(seed):
    wanted = Wanted(seed)
    found = objects(stack(wanted.text, head=HEAD))
    policies = [item for item in found if item["kind"] == "NetworkPolicy"]
    own = [*pods(found)]
    ports = {*PORTS, *(port for pod in own for port in pod.ports.values())}
    everybody = [*own, *OUTSIDE]
    wrong = [
        (source.name, target.name, port, protocol)
        for source in everybody
        for target in everybody
        if source is not target
        for port in sorted(ports)
        for protocol in ("TCP", "UDP")
        if allows(policies, source, target, port, protocol)
        != wanted.allows(source, target, port, protocol)
    ]
    assert not wrong, wanted.text
