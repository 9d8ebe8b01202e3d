"""The Secret that External Secrets fills: every entry that a pod reads, and no other."""

import pytest
from made import objects, one, stack

from llmgen.errors import PlanError

TEXT = """
[kubernetes]
external_secrets = "vault"
secret = "keys"
[services]
api_key = { env = "SERVER_KEY" }
[gateway.envoy]
enable = true
api_keys = [{ name = "all", secret = { file = "/etc/keys/clients" } }]
[models.a]
model = "a.gguf"
ctx_size = 1024
keep = "always"
"""


def entries_of_pods(found):
    """What pods take out of the Secret, by any way."""
    read = set()
    for item in found:
        spec = item.get("spec", {}).get("template", {}).get("spec", {})
        for volume in spec.get("volumes", ()):
            read |= {one["key"] for one in volume.get("secret", {}).get("items", ())}
    return read


def test_store_gives_every_entry_that_a_pod_reads():
    found = objects(stack(TEXT))
    spec = one(found, "ExternalSecret", "keys")["spec"]
    assert spec["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "vault"}
    assert spec["target"]["name"] == "keys"
    assert {item["secretKey"] for item in spec["data"]} == entries_of_pods(found)
    assert entries_of_pods(found) == {"SERVER_KEY", "clients"}


def test_nothing_is_fetched_where_nothing_is_secret():
    text = TEXT.replace('api_key = { env = "SERVER_KEY" }', "").replace(
        'api_keys = [{ name = "all", secret = { file = "/etc/keys/clients" } }]', ""
    )
    assert not [item for item in objects(stack(text)) if item["kind"] == "ExternalSecret"]


FAR = """
[models.a]
model = "a.gguf"
ctx_size = 1024
keep = "always"
[external.near]
endpoint = "https://near.example.org/v1"
api_key = { file = "/etc/near/key" }
[external.far]
endpoint = "https://far.example.org/v1"
api_key = { file = "/etc/far/key" }
"""


@pytest.mark.parametrize(
    "gateway", ["gateway.envoy.enable = true", 'kubernetes.gateway = "ai-gateway"']
)
def test_secrets_that_would_share_an_entry_are_refused(gateway):
    with pytest.raises(PlanError) as caught:
        objects(stack(f"{gateway}\n{FAR}"))
    (found,) = caught.value.diagnostics
    assert found.code == "kubernetes.same-entry"
    assert "/etc/near/key" in found.message
    assert "/etc/far/key" in found.message
    assert objects(stack(f"{gateway}\n{FAR}".replace("/etc/near/key", "/etc/far/key")))
