import pytest
from libraries import models, planned

from llmgen.errors import ConfigError, PlanError

ALWAYS = 'ctx_size = 512\nn_gpu_layers = 1\nkeep = "always"'


def port(plan, name):
    return plan.placement(name).port


def test_services_count_up_past_what_is_taken():
    text = models("a", "b", "c", options=ALWAYS, b="port = 9001") + "[gateway.envoy]\nport = 9002\n"
    plan = planned(text, layers=1)
    assert [port(plan, name) for name in "abc"] == [9003, 9001, 9004]


def test_a_gateway_that_is_off_has_no_port():
    text = models("a", options=ALWAYS, a="port = 4001") + "[services.llama_swap]\nport = 9901\n"
    assert port(planned(text, layers=1), "a") == 4001
    with pytest.raises(ConfigError) as caught:
        planned(f"{text}[gateway.envoy]\n", layers=1)
    owners = {item.key: item.message for item in caught.value.diagnostics}
    assert "Envoy" in owners["models", "a", "port"]
    assert len(owners) == 2


def test_engine_assigns_ports_of_on_demand_models():
    plan = planned(models("a", "b", options="ctx_size = 512", b="port = 7000"), layers=1)
    assert (port(plan, "a"), port(plan, "b")) == (0, 7000)
    assert plan.ports == {"b": 7000}


def test_port_inside_the_range_that_llama_swap_counts_through_is_refused():
    text = models("a", "b", options="ctx_size = 512", b=f"{ALWAYS[15:]}\nport = 10001")
    with pytest.raises(ConfigError) as caught:
        planned(text, layers=1)
    assert caught.value.diagnostics[0].key == ("services", "llama_swap", "start_port")


def test_range_beyond_the_last_port_is_refused():
    text = (
        models("a", "b", options="ctx_size = 512") + "[services.llama_swap]\nstart_port = 65535\n"
    )
    with pytest.raises(PlanError) as caught:
        planned(text, layers=1)
    assert caught.value.diagnostics[0].code == "ports.none-left"
