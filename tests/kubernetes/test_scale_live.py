"""What wakes a model that has no pod: the real Envoy counts whoever asks, and not its own looks."""

import re

import httpx
import pytest
import readers
from envoy_of_pods import told
from made import objects, one, stack
from pod_stacks import SCALED
from readers.ports import free_ports
from readers.running import running

ASKED = {"model": "chat-1.7b", "messages": [{"role": "user", "content": "?"}]}


def series(text, expr):
    """The figure of each series that an expression names, as Prometheus would have scraped it."""
    found = {}
    for name, label in re.findall(r'(envoy_\w+)\{[^}]*envoy_cluster_name="([^"]+)"', expr):
        pattern = rf'^{name}\{{envoy_cluster_name="{re.escape(label)}"\}} (\d+)$'
        (value,) = re.findall(pattern, text, re.MULTILINE)
        found[name.removeprefix("envoy_cluster_upstream_")] = int(value)
    return found


@pytest.mark.reader("envoy")
def test_who_asks_is_counted_where_nobody_answers(tmp_path):
    ports = [*free_ports(4)]
    triggers = one(objects(stack(SCALED)), "ScaledObject")["spec"]["triggers"]
    expr = " ".join(trigger["metadata"]["query"] for trigger in triggers)
    admin = f"http://127.0.0.1:{ports[0]}"
    argv = [
        readers.find("envoy"), "--config-path", told(tmp_path, SCALED, ports), "--log-level", "error",
        "--use-dynamic-base-id",
    ]  # fmt: skip
    with running(argv, ready=f"{admin}/ready", log=tmp_path / "log"):

        def look():
            return httpx.get(f"{admin}/stats/prometheus").text

        while 'health_check_attempt{envoy_cluster_name="model/chat-1_7b"} 0' in look():
            pass
        assert series(look(), expr) == {
            "rq_active": 0,
            "rq_pending_active": 0,
            "rq_pending_total": 0,
        }
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"http://127.0.0.1:{ports[1]}/v1/chat/completions", json=ASKED, timeout=1)
        assert series(look(), expr)["rq_pending_total"] > 0
