"""What device plugins call the devices of a backend."""

from __future__ import annotations

from typing import Final

from llmgen.config.tables.hardware import Backend
from llmgen.config.tables.kubernetes import PoolTable
from llmgen.machine import Machine

# The vendors' own device plugins (NVIDIA/k8s-device-plugin, ROCm/k8s-device-plugin,
# intel/intel-device-plugins-for-kubernetes).
_RESOURCES: Final[dict[Backend, str]] = {
    "cuda": "nvidia.com/gpu",
    "rocm": "amd.com/gpu",
    "vulkan": "gpu.intel.com/i915",
    "metal": "",
    "cpu": "",
}


def resource(table: PoolTable, node: Machine) -> str:
    """A device's name as a resource of the pool's nodes; empty where they have none."""
    if not node.devices or table.device_class is not None:
        return ""
    return table.gpu_resource or _RESOURCES[node.backend]
