"""Devices by claims of a DeviceClass instead of a device plugin's count."""

import pytest
from made import objects, one, pod_specs, stack

from llmgen.errors import ConfigError

TEXT = """
[models.big]
model = "big.gguf"
ctx_size = 1024
keep = "always"
device = [{}]
[kubernetes.pools.gpu]
device_class = "gpu.nvidia.com"
"""
BOTH = TEXT.format('"gpu0", "gpu1"')


def test_pod_has_a_claim_for_as_many_devices_as_it_is_planned_on():
    found = objects(stack(BOTH))
    template = one(found, "ResourceClaimTemplate")
    (request,) = template["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"] == {
        "deviceClassName": "gpu.nvidia.com",
        "allocationMode": "ExactCount",
        "count": 2,
    }
    spec = pod_specs(found)["model-big"]
    (claim,) = spec["resourceClaims"]
    assert claim["resourceClaimTemplateName"] == template["metadata"]["name"]
    (container,) = spec["containers"]
    assert container["resources"]["claims"] == [{"name": claim["name"]}]
    assert not any("nvidia" in key for key in container["resources"]["limits"])


def test_another_number_is_another_template():
    names = {
        one(objects(stack(TEXT.format(told))), "ResourceClaimTemplate")["metadata"]["name"]
        for told in ('"gpu0"', '"gpu0", "gpu1"')
    }
    assert len(names) == 2


def test_server_without_claims_is_told():
    with pytest.raises(ConfigError) as caught:
        stack(f'kubernetes.version = "1.33"\n{BOTH}')
    (found,) = caught.value.diagnostics
    assert found.code == "kubernetes.no-claims"
    assert found.key == ("kubernetes", "pools", "gpu", "device_class")
