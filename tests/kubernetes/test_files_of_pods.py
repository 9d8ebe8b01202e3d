"""Files that llm.toml names on one machine: as part of a Secret, of the claim, or refused."""

import pytest
from made import HEAD, objects, pod_specs, stack

from llmgen.errors import ConfigError, PlanError

MODEL = '[models.a]\nmodel = "a.gguf"\nctx_size = 1024\nkeep = "always"\n'
TEMPLATE = f'{MODEL}chat_template_file = "{{}}"\n'
DEMAND = TEMPLATE.replace('keep = "always"', 'keep = "on_demand"')
ENVOY = "[gateway.envoy]\nenable = true\n"
TLS = '[kubernetes.tls]\nsecret = "llm-tls"\n'
BY_FILES = '[gateway.envoy.tls]\ncert = "tls/a.pem"\nkey = "tls/a.key"\n'
# With models in a folder of its own the claim is that folder.
PLACES = HEAD.replace('home = "/home/llm"', 'home = "/home/llm"\nmodels = "/srv/models"')


def made(text, head=PLACES):
    return objects(stack(text, head=head))


def refused(text):
    with pytest.raises(PlanError) as caught:
        made(text)
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize("files", ["", BY_FILES])
def test_envoy_has_the_certificate_of_the_secret(files):
    found = made(ENVOY + files + TLS + MODEL)
    spec = pod_specs(found)["envoy"]
    volume = next(item for item in spec["volumes"] if item["name"] == "tls")
    assert volume["secret"]["secretName"] == "llm-tls"
    assert [item["key"] for item in volume["secret"]["items"]] == ["tls.crt", "tls.key"]
    # As a folder: what the kubelet renews there is seen.
    mounts = spec["containers"][0]["volumeMounts"]
    (place,) = (item["mountPath"] for item in mounts if item["name"] == "tls")
    config = "".join(text for item in found for text in item.get("data", {}).values())
    for name in ("tls.crt", "tls.key"):
        assert f"{place}/{name}" in config
    assert "a.pem" not in config


def test_authority_of_clients_is_part_of_the_secret():
    found = made(f"{ENVOY}{BY_FILES}client_ca = 'tls/ca.pem'\n{TLS}{MODEL}")
    volumes = pod_specs(found)["envoy"]["volumes"]
    (volume,) = (item for item in volumes if item["name"] == "tls")
    assert "ca.crt" in [item["key"] for item in volume["secret"]["items"]]


def test_certificate_in_files_is_refused_with_the_secret_as_hint():
    with pytest.raises(PlanError) as caught:
        made(ENVOY + BY_FILES + MODEL)
    found = caught.value.diagnostics[0]
    assert (found.code, found.key) == ("kubernetes.file", ("gateway", "envoy", "tls"))
    assert "[kubernetes.tls]" in found.hint


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f'kubernetes.gateway = "gateway-api"\n{ENVOY}', "tls-behind"),
        ("", "tls-of-nobody"),
    ],
)
def test_certificate_that_no_client_would_see_is_refused(text, code):
    with pytest.raises(ConfigError) as caught:
        stack(f'kubernetes.tls.secret = "llm-tls"\n{text}{MODEL}')
    (found,) = caught.value.diagnostics
    assert (found.code, found.key) == (f"kubernetes.{code}", ("kubernetes", "tls"))


@pytest.mark.parametrize(("text", "name"), [(TEMPLATE, "model-a"), (DEMAND, "swap-nodes")])
def test_template_among_the_model_files_is_read_there(text, name):
    found = made(text.format("/srv/models/t/a.jinja"))
    spec = pod_specs(found)[name]
    (init,) = (item for item in spec["initContainers"] if item["name"] == "models-there")
    assert "/models/t/a.jinja" in init["args"]
    told = str(spec["containers"]) + str([item.get("data") for item in found])
    assert "/models/t/a.jinja" in told
    assert "/etc/llmgen/templates" not in told


def test_template_elsewhere_is_refused_with_a_place_that_works():
    found = refused(TEMPLATE.format("templates/a.jinja"))
    assert (found.code, found.key) == ("kubernetes.file", ("models", "a", "chat_template_file"))
    assert "`/srv/models/a.jinja`" in found.hint
    assert made(TEMPLATE.format("/srv/models/a.jinja"))
