"""The Gateway API's inference extension (v1): InferencePools, and who picks a pod in each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmgen.targets.kubernetes.gateways.by_header import READ, by_header
from llmgen.targets.kubernetes.gateways.endpoint_pickers import PORT, name_of, pooled
from llmgen.targets.kubernetes.gateways.front import Front, gateway
from llmgen.targets.kubernetes.gateways.picker import picker
from llmgen.targets.kubernetes.names import Object, meta
from llmgen.targets.kubernetes.scene import App
from llmgen.targets.kubernetes.styles.pod_labels import of_answering

GROUP: Final = "inference.networking.k8s.io"


def objects(front: Front) -> Iterator[Object]:
    """The Gateway, a pool for each model with several pods, and routes to pools and Services."""
    yield gateway(front)
    found = [*pooled(front.scene)]
    for app in found:
        yield from picker(front, app)
        yield _pool(front, app)
    pools: dict[str, Object] = {
        app.name: {"group": GROUP, "kind": "InferencePool", "name": app.name, "weight": 1}
        for app in found
    }
    yield from by_header(front, READ, pools)


def _pool(front: Front, app: App) -> Object:
    """The pods, and the picker's Service; when that does not answer, any of them is asked."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "InferencePool",
        "metadata": meta(app.name, app.name, app.component, front.table.namespace),
        "spec": {
            "selector": {"matchLabels": of_answering(app)},
            "targetPorts": [{"number": app.container.port}],
            "endpointPickerRef": {
                "group": "",
                "kind": "Service",
                "name": name_of(app),
                "port": {"number": PORT},
                "failureMode": "FailOpen",
            },
        },
    }
