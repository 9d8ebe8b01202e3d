"""LiteLLM's files come over as values: rows, aliases, fallbacks, settings; its own code knows each key."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from gateway.test_litellm_config import known_keys
from test_corpus import CORPUS, FILES, generated, imported, run
from yaml_reader import read_yaml

GENERATED = Path(__file__).parents[2] / "generated" / "litellm" / "config.yaml"
NAMES = [name for name in FILES if name.startswith("litellm-")]
SECTIONS = ("router_settings", "litellm_settings", "general_settings")


def old(name):
    return read_yaml((CORPUS / name).read_text("utf-8"))


def new(name):
    return read_yaml(generated(name)[0]["litellm/config.yaml"])


def address(text):
    parts = urlsplit(text)
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    return parts.hostname, port, parts.path.removesuffix("/").removesuffix("/v1")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_leads_to_the_server_that_it_led_to(name):
    document, said = new(name), " ".join(imported(name)[1])
    aliases = document["router_settings"]["model_group_alias"]
    rows = {}
    for row in document["model_list"]:
        rows.setdefault(row["model_name"], []).append(row["litellm_params"])
    for row in old(name)["model_list"]:
        params, called = row["litellm_params"], row["model_name"]
        found = rows[aliases.get(called, called)]
        upstream = params["model"].partition("/")[2]
        same = [item for item in found if item["model"].partition("/")[2] == upstream]
        assert same
        if "api_base" in params:
            assert address(params["api_base"]) in [address(item["api_base"]) for item in same]
        for key in params.keys() - {"model", "api_base", "api_key"}:
            assert params[key] in [item.get(key) for item in same]
    for alias, target in (
        (old(name).get("router_settings") or {}).get("model_group_alias", {}).items()
    ):
        owner = target["model"] if isinstance(target, dict) else target
        assert aliases[alias] == aliases.get(owner, owner) or f"`{alias}`" in said


@pytest.mark.parametrize("name", NAMES)
def test_settings_and_fallbacks_are_the_same(name):
    document, said = new(name), " ".join(imported(name)[1])
    told = {key for row in document["router_settings"]["fallbacks"] for key in row}
    for section in SECTIONS:
        for key, value in (old(name).get(section) or {}).items():
            if key in ("fallbacks", "context_window_fallbacks"):
                for row in value:
                    assert all(who in told or f"`{key}` of `{who}`" in said for who in row)
            elif key not in ("model_group_alias", "master_key", "cache_params"):
                assert document[section][key] == value
    assert not re.search(r"sk-1234567890|hunter22", generated(name)[0]["litellm/config.yaml"])


@pytest.mark.thorough
@pytest.mark.reader("litellm")
def test_litellm_reads_every_key_of_what_is_written():
    known = known_keys()
    for name in NAMES:
        document = new(name)
        for section in SECTIONS:
            # The proxy's server reads the cache's own settings, the library does not.
            assert document[section].keys() - known[section] <= {"cache_params"}, name


def test_our_own_file_keeps_its_names():
    own = read_yaml(GENERATED.read_text("utf-8"))
    content, said = run(GENERATED.read_text("utf-8"))
    assert said == []
    names = set(re.findall(r"\[external\.\"?([^\]\"]*)\"?\]", content))
    assert names == {row["model_name"] for row in own["model_list"]}
    for alias in own["router_settings"]["model_group_alias"]:
        assert f'"{alias}"' in content
