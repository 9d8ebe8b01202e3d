"""A user for all services or one for each, and the group that may operate them."""

import plans
import pytest
from making import config

from llmgen.config.tables.services import Services
from llmgen.doctor.rules.files import readers
from llmgen.machine import machine
from llmgen.render.environment import make_render
from llmgen.resolve.table_rules import findings
from llmgen.targets import systemd
from llmgen.targets.accounts import LONGEST, user

EACH = Services(scope="system", users="each")
ONE = plans.STACK.replace("[services]\n", '[services]\nscope = "system"\n', 1)
OWN = ONE.replace("[services]\n", '[services]\nusers = "each"\n', 1)


def units(text):
    rendered = systemd.artifacts(plans.plan(text), make_render())
    return {item.path.name: item.content.decode() for item in rendered}


def values(unit, key):
    return [line.split("=", 1)[1] for line in unit.splitlines() if line.startswith(f"{key}=")]


def test_each_service_has_a_user_of_its_own_that_useradd_takes():
    names = ["swap", "envoy", "model-a.b", "model-" + "x" * 60, "model-" + "x" * 59 + "y"]
    users = [user(EACH, name) for name in names]
    assert users[:3] == ["llm-swap", "llm-envoy", "llm-model-a-b"]
    assert len({*users}) == len(users)
    assert all(len(name) <= LONGEST for name in users)
    assert {user(Services(scope="system"), name) for name in names} == {"llm"}


def test_own_users_share_a_group_and_no_folder():
    found = {name: text for name, text in units(OWN).items() if name.endswith(".service")}
    assert len({*(values(text, "User")[0] for text in found.values())}) == len(found) > 3
    for name, text in found.items():
        service = name.removeprefix("llmgen-").removesuffix(".service")
        assert values(text, "Group") == ["llm"]
        assert values(text, "StateDirectory") == [f"llmgen/{service}"]
        assert values(text, "RuntimeDirectory") in ([], [f"llmgen/{service}"])
        assert values(text, "CacheDirectory") in ([], [f"llmgen/{service}"])


def test_only_what_opens_devices_gets_their_groups():
    found = units(OWN)
    with_groups = {name for name, text in found.items() if values(text, "SupplementaryGroups")}
    assert "llmgen-swap.service" in with_groups
    assert not with_groups & {"llmgen-envoy.service", "llmgen-litellm.service"}


def test_one_user_is_as_it_was():
    found = units(ONE)
    assert values(found["llmgen-swap.service"], "User") == ["llm"]
    assert values(found["llmgen-swap.service"], "StateDirectory") == ["llmgen"]


def test_rule_names_the_group_of_operators():
    text = ONE.replace("[services]\n", '[services]\noperators = "ops"\n', 1)
    rules = units(text)["50-llmgen.rules"]
    assert 'subject.isInGroup("ops")' in rules
    assert "50-llmgen.rules" not in units(ONE)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('users = "each"\noperators = "ops"', ["users", "operators"]),
        ('scope = "system"\nusers = "each"\noperators = "ops"', []),
    ],
)
def test_accounts_of_a_users_own_units_do_nothing(text, keys):
    made = config(f"[services]\n{text}\n")
    told = [
        item.key
        for item in findings(made, machine(made.hardware, made.budget))
        if item.code == "services.no-effect"
    ]
    assert told == [("services", key) for key in keys]


def test_doctor_asks_for_the_user_that_opens_a_file():
    for text, always, demand in ((ONE, "llm", "llm"), (OWN, "llm-model-embed", "llm-swap")):
        plan = plans.plan(text)
        users = readers(plan)
        kept = {item.name: item.keep for item in plan.placements}
        assert kept["embed"] == "always" != kept["big"]
        paths = {item.name: str(item.model.path) for item in plan.placements}
        assert (users[paths["embed"]], users[paths["big"]]) == (always, demand)
    assert readers(plans.plan(plans.STACK)) == {}
