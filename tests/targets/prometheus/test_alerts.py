"""promtool takes every rule, and each alert fires when it should and is silent when it should."""

import json
import re

import pytest
import yaml
from targets import plans
from targets.prometheus.watched import HEAD, STACK, files, promtool, written

from llmgen.targets.prometheus.dashboard import panels
from llmgen.targets.prometheus.rules import groups, most_bytes

GIB = 2**30
UNIFIED = plans.HEAD.replace('memory = "64GiB"', 'memory = "64GiB"\nunified = true')


def alerts(text=STACK, head=HEAD):
    return [
        rule for group in groups(plans.plan(text, head=head)) for rule in group.rules if rule.alert
    ]


def limit():
    return most_bytes(plans.plan(STACK, head=HEAD).headroom[0])


# Each alert with series under which it fires, and others under which it does not; a value each
# minute. `box` is the machine, and another one has the same trouble at all times.
CASES = {
    "LlmgenPoolAbovePlan": (
        {'llmgen_pool_used_bytes{host="box",pool="gpu0"}': "MORE+0x60"},
        {'llmgen_pool_used_bytes{host="box",pool="gpu0"}': "MOST+0x60"},
    ),
    "LlmgenServerDown": (
        {'up{host="box",job="llmgen-server",instance="x"}': "1+0x5 0+0x60"},
        {'up{host="box",job="llmgen-server",instance="x"}': "1+0x60"},
    ),
    "LlmgenRequestsWait": (
        {'llamacpp:requests_deferred{host="box",model="embed"}': "2+0x60"},
        {'llamacpp:requests_deferred{host="box",model="embed"}': "2 0 2 0 0+0x60"},
    ),
    "LlmgenBackendDown": (
        {'envoy_cluster_membership_healthy{host="box",envoy_cluster_name="model/x"}': "0+0x60"},
        {'envoy_cluster_membership_healthy{host="box",envoy_cluster_name="admin"}': "0+0x60"},
    ),
    "LlmgenRefused": (
        {'envoy_cluster_upstream_rq_pending_overflow{host="box",envoy_cluster_name="m"}': "0+1x60"},
        {'envoy_cluster_upstream_rq_pending_overflow{host="box",envoy_cluster_name="m"}': "7+0x60"},
    ),
    "LlmgenQueueLong": (
        {'envoy_cluster_upstream_rq_pending_active{host="box",envoy_cluster_name="m"}': "3+0x60"},
        {'envoy_cluster_upstream_rq_pending_active{host="box",envoy_cluster_name="m"}': "2+0x60"},
    ),
    "LlmgenRateLimited": (
        {'envoy_http_local_rate_limit_rate_limited{host="box"}': "0+1x60"},
        {'envoy_http_local_rate_limit_rate_limited{host="box"}': "5+0x60"},
    ),
    "LlmgenServiceDown": (
        {'llmgen_service_up{host="box",service="swap"}': "0+0x60"},
        {'llmgen_service_up{host="box",service="swap"}': "1+0x60"},
    ),
    "LlmgenDrift": (
        {'llmgen_differences{host="box",code="status.edited-file"}': "1+0x60"},
        {'llmgen_differences{host="box",code="status.edited-file"}': "1+0x5 _x60"},
    ),
    "LlmgenModelAbovePlan": (
        {
            'llmgen_model_memory_bytes{host="box",model="big",memory="host"}': "11+0x60",
            'llmgen_model_memory_planned_bytes{host="box",model="big",memory="host"}': "10+0x60",
        },
        {
            'llmgen_model_memory_bytes{host="box",model="big",memory="host"}': "10+0x60",
            'llmgen_model_memory_planned_bytes{host="box",model="big",memory="host"}': "10+0x60",
        },
    ),
    "LlmgenGuardActed": (
        {'llmgen_guard_unloads_total{host="box"}': "0+0x30 1+0x30"},
        {'llmgen_guard_unloads_total{host="box"}': "4+0x60"},
    ),
    # Of 100 s a load: ten loads of half an hour are 1,000 s, one is 100.
    "LlmgenSwapStorm": (
        {
            'llmgen_model_loaded{host="box",model="big"}': "0 1 " * 30,
            'llmgen_model_load_seconds{host="box",model="big"}': "100+0x60",
        },
        {
            'llmgen_model_loaded{host="box",model="big"}': "0+0x30 1+0x30",
            'llmgen_model_load_seconds{host="box",model="big"}': "100+0x60",
        },
    ),
    "LlmgenNotLookedAt": (
        {'llmgen_status_timestamp_seconds{host="box"}': "60+0x60"},
        {'llmgen_status_timestamp_seconds{host="box"}': "0+60x60"},
    ),
}


def series(told):
    """Series as promtool takes them, each for another machine too."""
    most = limit()
    for name, values in told.items():
        filled = values.replace("MORE", str(most + 1)).replace("MOST", str(most)).strip()
        yield {"series": name, "values": filled}
    yield {"series": 'llmgen_service_up{host="other",service="swap"}', "values": "0+0x60"}


def firing(folder, told):
    """The names of the alerts that fire after an hour."""
    return firing_each(folder, {"only": told})["only"]


def firing_each(folder, cases):
    """The same of several cases by their names; promtool starts once."""
    every = sorted({rule.alert for rule in alerts()})
    asked = [{"eval_time": "55m", "alertname": name, "exp_alerts": []} for name in every]
    tests = [
        {"name": name, "interval": "1m", "input_series": [*series(told)], "alert_rule_test": asked}
        for name, told in cases.items()
    ]
    test = {"rule_files": ["llmgen.rules.yml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "test.yml").write_text(yaml.safe_dump(test))
    _, said = promtool("test", "rules", "test.yml", cwd=folder)
    assert "parse" not in said, said
    found = {name: set() for name in cases}
    for name, alert in re.findall(r"^ +name: (\S+),\n +alertname: (\w+),", said, re.MULTILINE):
        found[name].add(alert)
    return found


@pytest.mark.reader("promtool")
@pytest.mark.parametrize(
    ("text", "head"),
    [
        (STACK, HEAD),
        (STACK, plans.HEAD),
        (STACK, UNIFIED),
        (STACK, HEAD.replace('host = "box"', 'host = "a.b-c_d"')),
        ("[models.a]\nmodel = 'a.gguf'\n", HEAD),
    ],
)
def test_promtool_takes_every_rule(tmp_path, text, head):
    code, said = promtool("check", "rules", written(tmp_path, text, head=head) / "llmgen.rules.yml")
    assert code == 0, said


@pytest.mark.reader("promtool")
def test_a_rule_that_is_wrong_is_not_taken(tmp_path):
    rules = written(tmp_path) / "llmgen.rules.yml"
    rules.write_text(rules.read_text().replace(" > ", " >> ", 1))
    assert promtool("check", "rules", rules)[0] != 0


def test_every_alert_has_its_cases():
    assert {rule.alert for rule in alerts()} == {*CASES}


@pytest.fixture(scope="module")
def fired(tmp_path_factory):
    """What fires in each case, where it should and where it should not."""
    folder = tmp_path_factory.mktemp("alerts")
    written(folder)
    quiet = {'llmgen_status_timestamp_seconds{host="box"}': "0+60x60"}
    asked = {}
    for name, (fires, rests) in CASES.items():
        others = {} if name == "LlmgenNotLookedAt" else quiet
        asked[f"{name}-fires"], asked[f"{name}-rests"] = {**others, **fires}, {**others, **rests}
    return firing_each(folder, asked)


@pytest.mark.reader("promtool")
@pytest.mark.parametrize("name", CASES)
def test_it_fires_when_it_should_and_only_then(name, fired):
    assert fired[f"{name}-fires"] == {name}
    assert fired[f"{name}-rests"] == set()


@pytest.mark.reader("promtool")
def test_nobody_looking_at_all_is_told_as_well(tmp_path):
    written(tmp_path)
    assert firing(tmp_path, {}) == {"LlmgenNotLookedAt"}


@pytest.mark.reader("promtool")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ('llmgen_pool_used_bytes{host="box",pool="gpu0"}', "BYTES"),
        ('llamaswap_gpu_memory_used_bytes{host="box",id="0",name="x"}', "BYTES"),
        ('DCGM_FI_DEV_FB_USED{host="box",gpu="0",modelName="x"}', "MIB"),
    ],
)
def test_a_pool_is_read_from_whatever_tells_of_it(name, value, tmp_path):
    written(tmp_path)
    size = {"BYTES": limit() + 2**20, "MIB": limit() // 2**20 + 2}[value]
    quiet = {'llmgen_status_timestamp_seconds{host="box"}': "0+60x60"}
    assert firing(tmp_path, {**quiet, name: f"{size}+0x60"}) == {"LlmgenPoolAbovePlan"}


def test_alerts_of_what_is_not_there_are_left_out():
    names = {rule.alert for rule in alerts("[models.a]\nmodel = 'a.gguf'\n")}
    assert names == {
        "LlmgenPoolAbovePlan",
        "LlmgenServerDown",
        "LlmgenServiceDown",
        "LlmgenDrift",
        "LlmgenModelAbovePlan",
    }


@pytest.mark.reader("promtool")
def test_every_expression_of_the_dashboard_is_one(tmp_path):
    found = json.loads(files()["dashboard.json"])
    queries = [target["expr"] for panel in found["panels"] for target in panel["targets"]]
    assert len(queries) > 15
    rules = [{"record": f"test:expr_{at}", "expr": expr} for at, expr in enumerate(queries)]
    document = {"groups": [{"name": "dashboard", "rules": rules}]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(document))
    code, said = promtool("check", "rules", tmp_path / "rules.yml")
    assert code == 0, said


def test_the_dashboard_is_the_same_one_every_time():
    found = json.loads(files()["dashboard.json"])
    assert found["uid"] == "llmgen-box"
    assert files()["dashboard.json"] == files()["dashboard.json"]
    long = HEAD.replace('host = "box"', f'host = "{"x" * 60}"')
    assert len(json.loads(files(head=long)["dashboard.json"])["uid"]) == 40


def test_panels_neither_meet_nor_leave_the_page():
    found = json.loads(files()["dashboard.json"])["panels"]
    places = [(item["gridPos"]["x"], item["gridPos"]["y"]) for item in found]
    assert len({*places}) == len(places)
    assert all(item["gridPos"]["x"] + item["gridPos"]["w"] <= 24 for item in found)
    assert [item["id"] for item in found] == [*range(1, len(found) + 1)]
    assert len(panels(plans.plan(STACK, head=HEAD))) == len(found)


def test_the_plans_limit_is_a_line_in_its_panel():
    found = json.loads(files()["dashboard.json"])["panels"][0]
    assert f"vector({limit()})" in [item["expr"] for item in found["targets"]]
    steps = found["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps[-1]["value"] == 24 * GIB
