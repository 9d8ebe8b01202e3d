"""kubectl kustomize and helm template: both give the objects that llmgen has in mind."""

import pytest
from forms import (
    PROD,
    STACK,
    WATCHED,
    by_name,
    charted,
    helm,
    kustomized,
    templated,
    wanted,
    written,
)
from made import stack

from llmgen.targets.kubernetes.base import MAKERS, grouped


@pytest.mark.reader("kubectl")
@pytest.mark.parametrize("name", ["prod", "dev"])
@pytest.mark.parametrize("text", [STACK, WATCHED])
def test_an_overlay_is_the_cluster_in_that_environment(text, name, tmp_path):
    made = stack(text + PROD)
    folder = written(made, tmp_path)
    assert kustomized(folder / "overlays" / name) == wanted(made, name)


@pytest.mark.reader("kubectl")
def test_the_base_is_the_cluster(tmp_path):
    made = stack(STACK + PROD)
    found = by_name(item for items in grouped(made).values() for item in items)
    assert kustomized(written(made, tmp_path) / "base") == found


@pytest.mark.reader("kubectl")
def test_what_kustomize_has_no_word_for_is_patched(tmp_path, monkeypatch):
    monkeypatch.setattr("llmgen.targets.kubernetes.base.MAKERS", (*MAKERS, telling))
    made = stack(STACK + PROD)
    folder = written(made, tmp_path)
    found = kustomized(folder / "overlays" / "prod")
    assert found == wanted(made, "prod")
    assert ("ConfigMap", "only-prod", "prod") in found
    assert found["ConfigMap", "told", "prod"]["metadata"]["labels"] == {"where": "prod"}


def telling(scene):
    """Objects that say their namespace in a text, or are there in one namespace alone."""
    here = scene.table.namespace
    meta = {"namespace": here, "labels": {"where": here}}
    yield "a", told("told", {**meta, "annotations": {"a": "b"} if here == "llm" else {"c": here}})
    yield "a", told("only-" + here, meta)


def told(name, meta):
    data = {"text": f'up{{namespace="{meta["namespace"]}"}}\n  more\n', "same": "{{ x }}"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **meta},
        "data": data,
    }


@pytest.mark.reader("helm", "kubectl")
@pytest.mark.parametrize("text", [STACK, WATCHED])
def test_helm_and_kustomize_have_the_same_objects(text, tmp_path):
    folder = written(charted(text), tmp_path)
    assert templated(folder) == kustomized(folder / "base")
    for name in ("prod", "dev"):
        values = folder / "chart" / f"values-{name}.yaml"
        assert templated(folder, "--values", values) == kustomized(folder / "overlays" / name)


@pytest.mark.reader("helm")
def test_what_looks_like_a_template_is_text(tmp_path, monkeypatch):
    odd = [
        "{{ .Values.namespace }}", "{{{{", "}}", "{", "{{- /* */ -}}", '{{ "a" }}\n{{`b`}}\n', "@chart0@",
        "@chart0:image:a@", "{" + "llm" + "}", "%s $(X) \\{{ \\\\",
    ]  # fmt: skip
    data = {f"k{number}": text for number, text in enumerate(odd)}

    def odd_texts(scene):
        here = scene.table.namespace
        meta = {"name": "odd", "namespace": here}
        texts = {**data, "own": f"{{{here}}} {{{{{here}}}}}", "{{ key }}": "a"}
        yield "a", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": texts}

    monkeypatch.setattr("llmgen.targets.kubernetes.base.MAKERS", (*MAKERS, odd_texts))
    made = charted()
    found = templated(written(made, tmp_path), "--set", "namespace=other")
    item = found["ConfigMap", "odd", "other"]
    own = {"own": "{other} {{other}}", "{{ key }}": "a"}
    assert item["data"] == {**data, **own}
    assert item["metadata"]["namespace"] == "other"


@pytest.mark.reader("helm")
def test_helm_finds_nothing_to_say(tmp_path):
    done = helm("lint", "--strict", written(charted(), tmp_path) / "chart")
    assert done.returncode == 0, done.stdout


@pytest.mark.reader("helm")
@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("replicas.model-chat=4", "replicas"),
        ("replicas.chat=1", "replicas"),
        ("namespace=a_b", "namespace"),
        ("images.envoy=A B", "images"),
        ("other=1", "other"),
    ],
)
def test_wrong_values_are_refused(told, said, tmp_path):
    done = helm("template", "llm", written(charted(), tmp_path) / "chart", "--set", told)
    assert done.returncode != 0
    assert said in done.stderr
