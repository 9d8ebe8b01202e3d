"""The Secret as External Secrets fills it, from the store that llm.toml names."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.targets.kubernetes.keys import wanted
from llmgen.targets.kubernetes.names import ACCOUNT, COMMON, Object, meta
from llmgen.targets.kubernetes.scene import ClusterScene


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """An ExternalSecret with every entry that a pod reads; nothing where there is none."""
    store, entries = scene.table.external_secrets, wanted(scene)
    if store is None or not entries:
        return
    name = scene.table.secret
    yield (
        COMMON,
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": meta(name, ACCOUNT, "keys", scene.table.namespace),
            "spec": {
                "refreshInterval": "1h0m0s",
                "secretStoreRef": {"kind": "ClusterSecretStore", "name": store},
                "target": {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
                "data": [_entry(name, entry) for entry in entries],
            },
        },
    )


def _entry(name: str, entry: str) -> Object:
    """The field of the store's secret that is called as ours; the rest is the store's default."""
    return {
        "secretKey": entry,
        "remoteRef": {
            "key": name,
            "property": entry,
            "conversionStrategy": "Default",
            "decodingStrategy": "None",
            "metadataPolicy": "None",
        },
    }
