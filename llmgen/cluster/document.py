"""One-host documents out of the whole llm.toml: of a pool's node, and of the pods on it.

So pods are planned, and their files rendered, as those of any machine that is only for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmgen.cluster import certificate
from llmgen.config.config import Config
from llmgen.config.load import overlay
from llmgen.config.tables.kubernetes import Kubernetes, PoolTable
from llmgen.fleet.project import Document, wishes_among
from llmgen.machine import Machine, MachineDevice

# The pool of a file that names none.
USUAL: Final = "nodes"
# Tables that say nothing to a pod: of the cluster, of other programs, of one machine's own.
_NOT_OF_PODS: Final = (
    "kubernetes", "hosts", "network", "gateway", "external", "apps", "sync", "rpc", "guard",
    "targets",
)  # fmt: skip
# Keys of a model that say where it is, or which of a machine's devices it is on.
_WHERE: Final = ("host", "hosts", "pool", "nodes")
_DEVICES: Final = ("device", "tensor_split", "main_gpu", "split_mode")


def pools(table: Kubernetes) -> Mapping[str, PoolTable]:
    """The pools of [kubernetes], or the one that stands for [hardware]."""
    return table.pools or {USUAL: PoolTable.model_construct()}


def in_one_pod(
    config: Config, document: Mapping[str, Any], name: str
) -> tuple[Config, Document] | None:
    """The same file with one pod for all models of a pool; None where it is so already."""
    if config.kubernetes is None or pools(config.kubernetes)[name].layout == "stack":
        return None
    changed = overlay(dict(document), {"kubernetes": {"pools": {name: {"layout": "stack"}}}})
    # A file without pools has one, like [hardware].
    table = config.kubernetes
    pool = pools(table)[name].model_copy(update={"layout": "stack"})
    told = table.model_copy(update={"pools": {**pools(table), name: pool}})
    return config.model_copy(update={"kubernetes": told}), changed


def of_pool(document: Mapping[str, Any], name: str) -> Document:
    """The document of a pool's node, with every model still in it."""
    mine = document.get("kubernetes", {}).get("pools", {}).get(name, {})
    found = {key: value for key, value in document.items() if key not in _NOT_OF_PODS}
    found["hardware"] = overlay(document.get("hardware", {}), mine.get("hardware", {}))
    found["hardware"] = {**found["hardware"], "host": name}
    found["models"] = overlay(document.get("models", {}), mine.get("models", {}))
    found["services"] = {**document.get("services", {}), "runtime": "native", "scope": "system"}
    return found


def of_group(pool: Document, name: str, machine: Machine, devices: int, nodes: int) -> Document:
    """The document of a model over several nodes: one machine with so many devices of each."""
    found = of_pod(pool, (name,), machine, devices)
    hardware = found["hardware"]
    mine = [_device(item) for item in machine.devices[:devices]]
    table = {**found["models"][name], "pipeline_parallel_size": nodes}
    hardware = {key: value for key, value in hardware.items() if key != "profile"}
    return {
        **found,
        "hardware": {**hardware, "devices": mine * nodes},
        "models": {name: table},
    }


def of_pod(
    pool: Document, names: Sequence[str], machine: Machine, devices: int, *, stack: bool = False
) -> Document:
    """The document of pods with these models, and so many devices of the pool's node.

    In a ``stack`` llama-swap starts them all.
    """
    found = {**pool, "models": {name: _model(pool["models"][name], stack=stack) for name in names}}
    if devices < len(machine.devices):
        found["hardware"] = {
            **pool["hardware"],
            "devices": [_device(item) for item in machine.devices[:devices]],
            **({} if devices else {"backend": "cpu"}),
        }
        found["models"] = {
            name: _on_first({key: item for key, item in table.items() if _stays(key, devices)})
            for name, table in found["models"].items()
        }
        if "reserve" in pool.get("budget", {}):
            left = [item.key for item in machine.devices[:devices]]
            reserve = pool["budget"]["reserve"]
            kept = {key: size for key, size in reserve.items() if key in (*left, "host")}
            found["budget"] = {**pool["budget"], "reserve": kept}
    if "plan" in found:
        found["plan"] = wishes_among(found["plan"], {*names})
    return found


def of_gateway(document: Mapping[str, Any], external: Document) -> Document:
    """The document of the pods that clients talk to: no models of their own, ``external`` ones."""
    kept = ("edition", "requires_llmgen", "llama_cpp", "naming", "paths", "gateway", "containers")
    found = {key: document[key] for key in kept if key in document}
    found["hardware"] = {
        "host": "gateway",
        "os": "linux",
        "backend": "cpu",
        "memory": "64GiB",
        "unified": False,
        "devices": [],
    }
    key = document.get("services", {}).get("api_key")
    found["services"] = {
        **({"api_key": key} if key is not None else {}),
        "on_demand": "none",
        "scope": "system",
    }
    found["external"] = {**document.get("external", {}), **external}
    cluster = document.get("kubernetes", {})
    if cluster.get("monitoring", {}).get("enable"):
        found["gateway"] = _measured(found.get("gateway", {}))
    if cluster.get("tls"):
        found["gateway"] = _certified(found.get("gateway", {}))
    return found


def _certified(gateway: Mapping[str, Any]) -> Document:
    """Envoy's certificate is where the Secret's entries are in its pod."""
    envoy = gateway.get("envoy", {})
    tls = {"cert": certificate.CERT, "key": certificate.KEY}
    if "client_ca" in envoy.get("tls", {}):
        tls["client_ca"] = certificate.AUTHORITY
    return {**gateway, "envoy": {**envoy, "tls": tls}}


def _measured(gateway: Mapping[str, Any]) -> Document:
    """Envoy tells of itself at a port of its own: one that nothing of its pod has."""
    envoy = {"admin_port": 9901, **gateway.get("envoy", {})}
    if "metrics_port" not in envoy:
        taken = (envoy["admin_port"], envoy.get("port"))
        envoy["metrics_port"] = next(at for at in range(9902, 9905) if at not in taken)
    return {**gateway, "envoy": {**gateway.get("envoy", {}), "metrics_port": envoy["metrics_port"]}}


def _model(table: Mapping[str, Any], *, stack: bool) -> Document:
    found = {key: value for key, value in table.items() if key not in _WHERE}
    if stack and found.get("keep") == "always":
        found |= {"keep": "on_demand", "pin": True, "preload": True}
    return found


def devices_of(memory: object) -> tuple[str, ...]:
    """The devices that a declared memory names, in order."""
    named = memory if isinstance(memory, Mapping) else {}
    return tuple(sorted((key for key in named if key.startswith("gpu")), key=_number))


def _number(key: str) -> tuple[int, str]:
    return int(key[3:]) if key[3:].isdigit() else 0, key


def _on_first(table: Document) -> Document:
    """A pod's devices are its first ones, whichever card of the node each is."""
    memory = table.get("memory")
    keys = devices_of(memory)
    if not isinstance(memory, Mapping) or not keys:
        return table
    places = {key: f"gpu{number}" for number, key in enumerate(keys)}
    return {**table, "memory": {places.get(key, key): size for key, size in memory.items()}}


def _stays(key: str, devices: int) -> bool:
    """Whether a key of a model is right on fewer devices, which are all its own."""
    return key not in _DEVICES or (devices > 1 and key in ("tensor_split", "split_mode"))


def _device(item: MachineDevice) -> Document:
    found: Document = {"memory": item.memory_bytes, "reserve": item.reserve_bytes}
    if item.bandwidth_bytes:
        found["bandwidth"] = item.bandwidth_bytes
    return found
