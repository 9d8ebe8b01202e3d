"""What is no longer wanted goes only if its kind is known: every kind that is written has to be."""

import pytest
from made import objects, stack

from llmgen.operate.kubectl.changes import NAMESPACE
from llmgen.operate.kubectl.objects import KINDS, is_ours, thing

TEXT = """
[models.a]
model = "a.gguf"
ctx_size = 1024
[models.b]
hf_repo = "o/r"
ctx_size = 1024
keep = "always"
hosts = 2
[gateway.envoy]
enable = true
api_keys = [{ name = "team", secret = { env = "TEAM_KEY" } }]
[kubernetes]
gateway = "GATEWAY"
external_secrets = "store"
llmgen_image = "llmgen:1"
[kubernetes.pools.gpu]
count = 3
[kubernetes.monitoring]
enable = true
[kubernetes.scale]
enable = true
"""


@pytest.mark.parametrize("gateway", ["none", "gateway-api", "ai-gateway", "inference-extension"])
@pytest.mark.parametrize("claims", [False, True])
def test_every_kind_is_known_and_has_the_labels(gateway, claims):
    text = TEXT.replace("GATEWAY", gateway)
    if gateway == "inference-extension":
        # Its routes know nothing of them.
        text = "".join(line for line in text.splitlines(True) if "api_keys" not in line)
    if claims:
        text = text.replace("count = 3", 'count = 3\ndevice_class = "gpu.nvidia.com"')
    for item in objects(stack(text)):
        assert is_ours(item), thing(item)
        if "namespace" in item["metadata"]:
            assert thing(item).type in KINDS, thing(item)
        else:
            assert thing(item).type == NAMESPACE, thing(item)
