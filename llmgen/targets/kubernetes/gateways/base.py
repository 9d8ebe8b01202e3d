"""The objects of the cluster's own gateway, of whichever kind it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from llmgen.config.tables.kubernetes import ClusterGateway
from llmgen.targets.kubernetes.gateways import ai_gateway, gateway_api, inference
from llmgen.targets.kubernetes.gateways.front import Front, front
from llmgen.targets.kubernetes.names import GATEWAY, Object
from llmgen.targets.kubernetes.scene import ClusterScene

KINDS: Final[dict[ClusterGateway, Callable[[Front], Iterator[Object]]]] = {
    "gateway-api": gateway_api.objects,
    "ai-gateway": ai_gateway.objects,
    "inference-extension": inference.objects,
}


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """Nothing where nothing leads into the cluster."""
    make = KINDS.get(scene.table.gateway)
    if make is not None:
        yield from ((GATEWAY, item) for item in make(front(scene)))
