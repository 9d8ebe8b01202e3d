"""Keys that mean something else, or nothing, where the services run in containers."""

from targets import plans

from llmgen.errors import Severity
from llmgen.resolve.container_findings import findings

COMPOSE = '[services]\nruntime = "compose"\n'
HERE = '[external.x]\nendpoint = "http://127.0.0.1:11434"\n'


def codes(text):
    return [(item.code, item.severity) for item in findings(plans.config(text))]


def test_a_native_stack_has_nothing_to_hear():
    assert codes(HERE) == []


def test_a_server_of_the_machine_has_another_address_within():
    assert codes(COMPOSE + HERE) == [("containers.machine", Severity.WARNING)]
    assert codes(COMPOSE + HERE.replace("127.0.0.1", "10.0.0.9")) == []


def test_users_of_units_are_none_of_containers():
    text = COMPOSE + 'scope = "system"\nusers = "each"\n'
    assert codes(text) == [("services.no-effect", Severity.WARNING)]


def test_options_of_run_are_for_quadlets_alone():
    model = '[models.a]\nmodel = "a"\ncontainer = { image = "x", args = ["--ipc=host"] }\n'
    assert codes(COMPOSE + model) == [("containers.options", Severity.ERROR)]
    assert codes(COMPOSE.replace("compose", "quadlet") + model) == []
