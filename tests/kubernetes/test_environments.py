"""Environments: what their overlays say, and what is refused of them."""

import pytest
from forms import ENVOY, PROD, SERVER, STACK
from made import stack
from yaml_reader import read_yaml

from llmgen.errors import ConfigError, PlanError
from llmgen.targets.kubernetes.files import artifacts


def test_an_environment_has_the_words_of_kustomize():
    files = {str(item.path): item.content for item in artifacts(stack(STACK + PROD))}
    found = read_yaml(files["kubernetes/overlays/prod/kustomization.yaml"])
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
    ("told", "error", "code", "key"),
    [
        ('images = { "docker.io/envoyproxy/envoi" = "x" }', ConfigError, "no-image", "images"),
        (
            f'images = {{ "{ENVOY}" = "{SERVER}", "{SERVER}" = "x" }}',
            ConfigError,
            "image-twice",
            "images",
        ),
        ("copies = { demand = 2 }", ConfigError, "no-pods", "copies"),
        ("copies = { chat = 9 }", PlanError, "no-room", "copies"),
    ],
)
def test_what_an_environment_says_wrongly_is_refused(told, error, code, key):
    made = stack(f"{STACK}[kubernetes.environments.prod]\n{told}")
    with pytest.raises(error) as caught:
        [*artifacts(made)]
    (item,) = caught.value.diagnostics
    assert item.code == f"kubernetes.{code}"
    assert item.key[:4] == ("kubernetes", "environments", "prod", key)
    assert item.hint
