"""YAML as Envoy's and llama-swap's files are, by libyaml: ten times as quick as Python's own."""

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text):
    """The one document of a text."""
    return yaml.load(text, LOADER)


def read_all_yaml(text):
    """Every document of a text, one by one."""
    return yaml.load_all(text, LOADER)
