"""What joins two machines has no page to ask: it is well when it listens."""

from pathlib import Path

import pytest
from making import config, facts

from llmgen.operate.site import Site
from llmgen.operate.status.observations import Observed, Process
from llmgen.operate.status.rows import NOT_HTTP
from llmgen.operate.status.stack import _answers, expected
from llmgen.plan.place import place
from llmgen.resolve import resolve

TEXT = """
[rpc.lend.far]
port = 50052
memory = { gpu0 = "1GiB" }
[rpc.borrow.spark]
address = "spark"
devices = { gpu0 = "16GiB" }
ports = { a = 50053 }
[models.a]
model = "m.gguf"
device = ["gpu0", "rpc:spark/gpu0"]
"""


@pytest.fixture
def plan():
    return place(resolve(config(TEXT), {"file:m.gguf": facts()}))


def test_servers_and_tunnels_are_known_by_their_ports(plan, tmp_path):
    site = Site(plan.library.layout, "linux", Path("/"), tmp_path)
    rows = {item.service.name: (item.port, item.health) for item in expected(plan, site)}
    assert rows["rpc-far"] == (50052, NOT_HTTP)
    assert rows["tunnel-spark"] == (50053, NOT_HTTP)


def test_what_listens_is_well(plan, tmp_path):
    site = Site(plan.library.layout, "linux", Path("/"), tmp_path)
    wanted = [item for item in expected(plan, site) if item.health == NOT_HTTP]
    seen = Observed({}, {50052: Process(7, "ggml-rpc-server", (), 0)})
    answers = {name: answer.health for name, answer in _answers(plan, wanted, (), seen)}
    assert answers == {"rpc-far": "ok", "tunnel-spark": "no answer"}
