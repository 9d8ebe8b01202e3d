"""Envoy AI Gateway's own run of its resources on this machine, without a cluster, in front of the tests' Envoy."""

import contextlib
import os
import socket
import tempfile
import time
from pathlib import Path

import filelock
import httpx
import readers
import yaml
from echo_server import echo
from readers.ports import free_port
from readers.running import SLOW, running

ENVOY = "1.40.0"
PROGRAMS = ("aigw", "envoy")
# Which Envoy is run: without a version it would look up the newest one.
PROXY = {
    "apiVersion": "gateway.envoyproxy.io/v1alpha1",
    "kind": "EnvoyProxy",
    "metadata": {"name": "test", "namespace": "test"},
    "spec": {"provider": {"type": "Host", "host": {"envoyVersion": ENVOY}}},
}


@contextlib.contextmanager
def ai_gateway(folder, objects, *, port, env=None):
    """`aigw run` of these resources, once the Gateway's listener on ``port`` takes connections.

    It reads one Gateway, and no Secret by reference to an environment but by its own annotations
    (`substitution.aigw.run/env/KEY`, with ``env``). The fields are those of the API server; what
    it does not know, it leaves out without a word, so let the API server judge the same objects.
    """
    file = folder / "resources.yaml"
    given = [*map(_of_this_envoy, objects), PROXY]
    file.write_text(yaml.safe_dump_all(given, sort_keys=False), "utf-8")
    admin = free_port()
    argv = [readers.find("aigw"), "run", "--admin-port", admin, file]
    ready = f"http://127.0.0.1:{admin}/health"
    log = folder / "aigw.log"
    # The path of a socket may have 107 characters, which a test's folder alone can have.
    with _alone(), tempfile.TemporaryDirectory(prefix="aigw") as sockets:
        told = {**_places(folder, sockets), **(env or {})}
        with running(argv, ready=ready, log=log, env=told):
            _listening(port, log)
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def answering(folder, resources):
    """A client of it; ``resources`` are made of its port and that of the server behind it."""
    port = free_port()
    with (
        echo() as upstream,
        ai_gateway(folder, [*resources(port, upstream)], port=port) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        yield client


def chat(client, model, content="hello"):
    """The answer of a model to one message."""
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    return client.post("/v1/chat/completions", json=body)


def _of_this_envoy(item):
    """A GatewayClass with the proxy of the test."""
    if item["kind"] != "GatewayClass":
        return item
    proxy = {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "test"}
    parameters = {"parametersRef": {**proxy, "namespace": "test"}}
    return {**item, "spec": {**item["spec"], **parameters}}


def _places(folder, sockets):
    """Its folders, with Envoy where it would have put a download."""
    envoy = folder / "data" / "envoy-versions" / ENVOY / "bin" / "envoy"
    envoy.parent.mkdir(parents=True)
    envoy.symlink_to(_envoy())
    return {
        "ENVOY_VERSION": ENVOY,
        "AIGW_CONFIG_HOME": str(folder / "config"),
        "AIGW_DATA_HOME": str(folder / "data"),
        "AIGW_STATE_HOME": str(folder / "state"),
        "AIGW_RUNTIME_DIR": sockets,
    }


def _envoy():
    """The program itself; the wheel's script would start a Python first."""
    script = readers.find("envoy")
    found = script.resolve().parents[1].glob("lib/python*/site-packages/envoy/_bin/envoy")
    return next(found, script)


def _alone():
    """Several of its ports are fixed, so one runs at a time on this machine."""
    return filelock.FileLock(Path(tempfile.gettempdir()) / f"llmgen-test-aigw-{os.getuid()}")


def _listening(port, log):
    end_of_patience = time.monotonic() + SLOW
    while time.monotonic() < end_of_patience:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}:\n{log.read_text('utf-8', 'replace')[-3000:]}")
