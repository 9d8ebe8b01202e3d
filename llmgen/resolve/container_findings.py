"""What keys mean otherwise, or nothing, where the services run in containers."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from llmgen.config.config import Config
from llmgen.errors import Diagnostic, Severity
from llmgen.gateway.addresses import loopback


def findings(config: Config) -> Iterator[Diagnostic]:
    """Errors and warnings about a stack in containers; nothing about any other."""
    runtime = config.services.runtime
    if runtime == "native":
        return
    envoy = config.gateway.envoy
    if envoy.enable and envoy.access_log is not None:
        yield Diagnostic(
            "containers.access-log",
            "Envoy's access log would be a file within its container, which nobody reads",
            ("gateway", "envoy", "access_log"),
            hint="leave `access_log` out: `llmgen logs envoy` has it",
        )
    if runtime == "compose":
        yield from _options(config)
    yield from _machine(config)
    if config.services.users == "each":
        yield Diagnostic(
            "services.no-effect",
            "`users` is about units of the system, and containers have `user` of [containers]",
            ("services", "users"),
            hint="leave it out: each container sees its own files alone",
            severity=Severity.WARNING,
        )


def _options(config: Config) -> Iterator[Diagnostic]:
    """Words for `podman run` have no place in a compose file."""
    for name, table in config.models.items():
        if table.enable and table.container is not None and table.container.args:
            yield Diagnostic(
                "containers.options",
                f"`args` of `{name}` are options of `run`, and compose runs its container",
                ("models", name, "container", "args"),
                hint='leave them out, or `runtime = "quadlet"` in [services]',
            )


def _machine(config: Config) -> Iterator[Diagnostic]:
    """Servers of this machine: containers reach them by another address than its own."""
    for name, table in config.external.items():
        host = urlsplit(table.endpoint).hostname
        if host and loopback(host):
            yield Diagnostic(
                "containers.machine",
                f"`{name}` is on this machine's loopback, which containers do not reach: they ask "
                "`host.docker.internal`",
                ("external", name, "endpoint"),
                hint="let it listen on the containers' bridge too, or name its other address",
                severity=Severity.WARNING,
            )
