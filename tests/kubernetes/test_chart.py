"""The Helm chart: what its values are."""

import pytest
from forms import PROD, STACK, WATCHED, charted
from made import stack
from yaml_reader import read_yaml

from llmgen.errors import PlanError
from llmgen.targets.kubernetes.base import grouped
from llmgen.targets.kubernetes.files import artifacts


def test_nothing_but_names_images_and_counts_is_a_value():
    files = {str(item.path): item.content.decode() for item in artifacts(charted())}
    values = read_yaml(files["kubernetes/chart/values.yaml"])
    assert [*values] == ["namespace", "images", "replicas"]
    assert values["replicas"]["model-chat"] == 1
    templates = [text for path, text in files.items() if "/templates/" in path]
    assert len(templates) == len(grouped(charted()))
    assert not any(word in text for text in templates for word in ("{{ if", "{{ range", "{{ with"))


def test_no_chart_is_written_unless_it_is_wanted():
    assert not any("chart" in item.path.parts for item in artifacts(stack(STACK)))


def test_an_environment_that_values_cannot_say_is_refused():
    made = charted(WATCHED, PROD.replace("chat = 3", "chat = 1"))
    with pytest.raises(PlanError) as error:
        [*artifacts(made)]
    (item,) = error.value.diagnostics
    assert item.code == "kubernetes.helm-environment"
    assert item.key == ("kubernetes", "environments", "prod")


def test_of_what_is_scaled_the_count_is_the_most():
    files = {str(item.path): item.content for item in artifacts(charted(WATCHED))}
    values = read_yaml(files["kubernetes/chart/values-prod.yaml"])
    assert values["replicas"]["model-chat"] == 3
