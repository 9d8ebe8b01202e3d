"""The Helm chart: what its values are."""

import yaml
from forms import STACK, charted
from made import stack

from llmgen.targets.kubernetes.base import grouped
from llmgen.targets.kubernetes.files import artifacts


def test_nothing_but_names_images_and_counts_is_a_value():
    files = {str(item.path): item.content.decode() for item in artifacts(charted())}
    values = yaml.safe_load(files["kubernetes/chart/values.yaml"])
    assert [*values] == ["namespace", "images", "replicas"]
    assert values["replicas"]["model-chat"] == 1
    templates = [text for path, text in files.items() if "/templates/" in path]
    assert len(templates) == len(grouped(charted()))
    assert not any(word in text for text in templates for word in ("{{ if", "{{ range", "{{ with"))


def test_no_chart_is_written_unless_it_is_wanted():
    assert not any("chart" in item.path.parts for item in artifacts(stack(STACK)))
