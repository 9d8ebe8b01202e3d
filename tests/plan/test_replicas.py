"""Replicas of a model on its own host take memory like its own server."""

import pytest
from libraries import TWO_CARDS, models, planned

from llmgen.errors import ConfigError, PlanError

ONE = 'ctx_size = 4096\ndevice = ["gpu0"]\nkeep = "always"\n'
ENVOY = "[gateway.envoy]\nenable = true\n"


def taken(replicas, more="", keys=ONE):
    text = models("a", options=f"{keys}replicas = {replicas}\n") + more + ENVOY
    return planned(text, head=TWO_CARDS).placement("a").footprint["gpu0"]


@pytest.mark.parametrize(
    ("replicas", "servers"),
    [
        ("[]", 1),
        ('["10.0.0.2:9000", "[fd00::2]:9001", "gpu2.lan:9100"]', 1),
        ('["127.0.0.1:9000"]', 2),
        ('["localhost:9000"]', 2),
        ('["[::1]:9000"]', 2),
        ('["box:9000", "gpu2.lan:9000"]', 2),
    ],
)
def test_replica_on_this_host_is_another_server(replicas, servers):
    assert taken(replicas) == servers * taken("[]")


def test_replica_that_is_another_model_s_server_is_counted_once():
    other = models("b", options='ctx_size = 4096\ndevice = ["gpu1"]\nkeep = "always"\nport = 9000')
    assert taken('["127.0.0.1:9000"]', other) == taken("[]", other)


def test_what_fits_once_is_refused_with_a_replica():
    keys = ONE.replace("4096", "24576")
    assert taken("[]", keys=keys) > 12 * 2**30
    with pytest.raises(PlanError) as caught:
        taken('["127.0.0.1:9000"]', keys=keys)
    (found,) = caught.value.diagnostics
    assert any("= 2 servers x (weights" in note for note in found.notes)


@pytest.mark.parametrize(("keys", "refused"), [("", True), ("pin = true", False)])
def test_replica_beside_a_model_on_demand_is_refused(keys, refused):
    own = f'ctx_size = 4096\ndevice = ["gpu0"]\n{keys}\n'
    if not refused:
        assert taken('["127.0.0.1:9000"]', keys=own) == 2 * taken("[]")
        return
    with pytest.raises(ConfigError) as caught:
        taken('["127.0.0.1:9000"]', keys=own)
    assert [item.code for item in caught.value.diagnostics] == ["models.replica-unplanned"]
