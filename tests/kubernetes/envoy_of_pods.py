"""The Envoy of a stack's pods on this machine: its servers are where a test says."""

import yaml
from made import stack
from yaml_reader import read_yaml


def told(folder, text, ports):
    """Its configuration: administration, clients, all servers, metrics are at these ports of loopback."""
    (envoy,) = stack(text).gateways
    (static,) = (item for item in envoy.files if item.path.name == "static.yaml")
    document = read_yaml(static.content)
    resources = document["static_resources"]
    (inside,) = (item for item in resources["clusters"] if item["name"] == "admin")
    _place(inside, ports[0])
    document["admin"]["address"]["socket_address"]["port_value"] = ports[0]
    for cluster in resources["clusters"]:
        if cluster["name"].startswith("model/"):
            cluster["type"] = "STATIC"
            _place(cluster, ports[2])
            for check in cluster.get("health_checks", ()):
                # As soon as Envoy ever looks.
                check["no_traffic_interval"] = "0.1s"
    for listener in resources["listeners"]:
        port = ports[1 if listener["name"] == "llm" else 3]
        address = {"address": "127.0.0.1", "port_value": port}
        listener["address"] = {"socket_address": address}
        listener.pop("additional_addresses", None)
    path = folder / "static.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def _place(cluster, port):
    for group in cluster["load_assignment"]["endpoints"]:
        for item in group["lb_endpoints"]:
            address = {"address": "127.0.0.1", "port_value": port}
            item["endpoint"]["address"] = {"socket_address": address}
