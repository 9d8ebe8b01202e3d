"""KEDA: pods follow requests, never more than the nodes were proved to hold."""

import re
import tomllib

import pytest
from made import HEAD, objects, one, stack
from pod_stacks import SCALED
from yaml_reader import read_yaml

from llmgen.cluster.findings import findings
from llmgen.config.load import load, overlay
from llmgen.config.source import parse
from llmgen.errors import Severity
from llmgen.targets.kubernetes import scale


def scaled(text=SCALED):
    return {
        item["metadata"]["name"]: item
        for item in objects(stack(text))
        if item["kind"] == "ScaledObject"
    }


def replicas(text=SCALED):
    return {
        item["metadata"]["name"]: item["spec"].get("replicas")
        for item in objects(stack(text))
        if item["kind"] == "Deployment"
    }


CHAT = next(name for name in scaled() if "chat" in name)


def config(text):
    source = parse("llm.toml", "")
    source.document.update(overlay(tomllib.loads(HEAD), tomllib.loads(text)))
    return load([source])


def envoy(text=SCALED):
    """The clusters of Envoy by their names."""
    for item in objects(stack(text)):
        for key, content in item.get("data", {}).items():
            if key.endswith("cds.yaml"):
                return {row["name"]: row for row in read_yaml(content)["resources"]}
    raise AssertionError("no cds.yaml")


def test_only_what_may_have_more_pods_is_scaled():
    assert [*scaled()] == [CHAT]


def test_who_scales_is_the_only_one_that_says_how_many():
    assert replicas()[CHAT] is None
    assert {*replicas().values()} == {None, 1}
    plain = SCALED.replace("[kubernetes.scale]\nenable = true", "")
    assert replicas(plain)[CHAT] == 3
    assert not scaled(plain)


@pytest.mark.parametrize(
    ("told", "least", "most"), [("", 1, 3), ("max = 2", 1, 2), ("min = 0", 0, 3), ("min = 2", 2, 3)]
)
def test_pods_are_between_what_is_told_and_what_is_proved(told, least, most):
    spec = scaled(f"{SCALED}{told}")[CHAT]["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (least, most)
    assert spec["fallback"]["replicas"] == most


def test_at_least_all_is_nothing_to_scale():
    assert not scaled(f"{SCALED}min = 3")
    assert replicas(f"{SCALED}min = 3")[CHAT] == 3
    assert replicas(f"{SCALED}min = 2\nmax = 2")[CHAT] == 2


@pytest.mark.parametrize("told", ["", "max = 3"])
def test_what_has_one_pod_has_no_budget(told):
    found = objects(stack(f"{SCALED}{told}"))
    budgets = [item for item in found if item["kind"] == "PodDisruptionBudget"]
    assert [item["metadata"]["name"] for item in budgets] == [CHAT]


def test_queries_name_the_series_that_envoy_has():
    busy, asked = scaled()[CHAT]["spec"]["triggers"]
    cluster = envoy()["model/chat-1.7b"]
    assert cluster["alt_stat_name"] == "model/chat-1_7b"
    for trigger in (busy, asked):
        chosen = re.findall(r"\{(.*?)\}", trigger["metadata"]["query"])
        assert {*chosen} == {'host="llm",envoy_cluster_name="model/chat-1_7b"'}
    assert busy["metadata"]["threshold"] == "2"
    assert "alt_stat_name" not in envoy()["model/e"]


def test_the_gateway_lets_in_as_much_as_all_pods_take():
    most = envoy()["model/chat-1.7b"]["circuit_breakers"]["thresholds"][0]
    assert (most["max_connections"], most["max_pending_requests"]) == (6, 11)
    more = f'{SCALED}[kubernetes.environments.prod]\ncopies = {{ "chat-1.7b" = 4 }}\n'
    most = envoy(more)["model/chat-1.7b"]["circuit_breakers"]["thresholds"][0]
    assert most["max_connections"] == 8


def test_what_a_start_costs_is_written_and_a_pod_is_not_ended_before_it_answers():
    slow = SCALED.replace(
        "[kubernetes.scale]", "[hardware]\ndisk_bandwidth = 1\n[kubernetes.scale]"
    )
    item = scaled(slow)[CHAT]
    seconds = int(item["metadata"]["annotations"][scale.COLD_START])
    assert seconds > 1000
    assert item["spec"]["cooldownPeriod"] == 2 * seconds
    assert scaled()[CHAT]["spec"]["cooldownPeriod"] == 600


@pytest.mark.parametrize(
    ("was", "now", "key", "hint"),
    [
        ("hosts = 3", "hosts = 1", "enable", "hosts = 2"),
        ("[kubernetes.scale]", "[kubernetes.scale]\nmin = 3", "enable", "hosts = 4"),
        ('keep = "always"', 'keep = "on_demand"', "enable", 'keep = "always"'),
        ("[kubernetes.scale]", "[kubernetes.scale]\nmax = 1", "max", "max = 3"),
    ],
)
@pytest.mark.parametrize("by", ["prometheus", "http-add-on"])
def test_that_nothing_is_scaled_is_said(was, now, key, hint, by):
    text = SCALED.replace(was, now) + f'by = "{by}"\n'
    if "on_demand" in now:
        text = text.replace("hosts = 3\n", "")
    (note,) = scale.notes(stack(text))
    assert note.code == "kubernetes.scale-nothing"
    assert note.key == ("kubernetes", "scale", key)
    assert note.severity is Severity.WARNING
    assert f"`{hint}`" in note.hint


def test_that_requests_are_lost_is_said_and_nobody_is_woken_up():
    (note,) = scale.notes(stack(f"{SCALED}min = 0"))
    assert note.code == "kubernetes.scale-to-zero"
    assert "and 1 more" in note.message
    assert "on_demand" in note.hint
    assert not [*scale.notes(stack(SCALED))]
    for told, quiet in (("", False), ("min = 0", True)):
        rules = one(objects(stack(f"{SCALED}{told}")), "PrometheusRule")["spec"]["groups"]
        (down,) = (
            rule["expr"]
            for group in rules
            for rule in group["rules"]
            if rule["alert"] == "LlmgenBackendDown"
        )
        assert ('!~"model/chat' in down) is quiet


@pytest.mark.parametrize(
    ("was", "now", "code"),
    [
        (
            "[gateway.envoy]\nenable = true",
            "[gateway.envoy]\nenable = false",
            "scale-without-envoy",
        ),
        ("[kubernetes.monitoring]\nenable = true", "", "scale-without-monitoring"),
        ("[kubernetes.scale]", '[kubernetes]\nstyle = "lws"\n[kubernetes.scale]', "scale-style"),
        ("[kubernetes.scale]", "[kubernetes.scale]\nmax = 4", "scale-max"),
        ("[kubernetes.scale]", "[kubernetes.scale]\nmin = 4", "scale-min"),
        ("[kubernetes.scale]", "[kubernetes.scale]\nmax = 2\nmin = 3", "scale-range"),
        ("[kubernetes.scale]", '[kubernetes.scale]\nnamespace = "keda"', "scale-other-way"),
    ],
)
def test_what_cannot_scale_is_refused(was, now, code):
    (item,) = findings(config(SCALED.replace(was, now)))
    assert item.code == f"kubernetes.{code}"
    at = ("kubernetes", "style") if code == "scale-style" else ("kubernetes", "scale")
    assert item.key[:2] == at
    assert item.hint
