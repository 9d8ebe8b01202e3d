"""Environments: what their overlays say, and what is refused of them."""

import pytest
import yaml
from forms import ENVOY, PROD, SERVER, STACK
from made import stack

from llmgen.errors import PlanError
from llmgen.targets.kubernetes.files import artifacts


def test_an_environment_has_the_words_of_kustomize():
    files = {str(item.path): item.content for item in artifacts(stack(STACK + PROD))}
    found = yaml.safe_load(files["kubernetes/overlays/prod/kustomization.yaml"])
    assert found["namespace"] == "prod"
    assert found["replicas"] == [
        {"name": "model-chat", "count": 3},
        {"name": "model-e", "count": 0},
    ]
    assert found["images"][0] == {
        "name": ENVOY,
        "newName": "mirror.example:5000/a/envoy",
        "newTag": "v1",
    }
    assert found["images"][1] == {
        "name": SERVER,
        "newName": "llama",
        "digest": f"sha256:{'a' * 64}",
    }
    assert "patches" not in found


@pytest.mark.parametrize(
    ("told", "code", "key"),
    [
        ('images = { "docker.io/envoyproxy/envoi" = "x" }', "no-image", "images"),
        (f'images = {{ "{ENVOY}" = "{SERVER}", "{SERVER}" = "x" }}', "image-twice", "images"),
        ("copies = { demand = 2 }", "no-pods", "copies"),
        ("copies = { chat = 9 }", "no-room", "copies"),
    ],
)
def test_what_an_environment_says_wrongly_is_refused(told, code, key):
    made = stack(f"{STACK}[kubernetes.environments.prod]\n{told}")
    with pytest.raises(PlanError) as error:
        [*artifacts(made)]
    (item,) = error.value.diagnostics
    assert item.code == f"kubernetes.{code}"
    assert item.key[:4] == ("kubernetes", "environments", "prod", key)
    assert item.hint
