"""What systemd is told of a quadlet's service: keys before it, how long, how often."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.tables.base import Secret
from llmgen.library import Library
from llmgen.render.quoting import systemd_argv, systemd_path, systemd_text
from llmgen.targets.containers.container import Container
from llmgen.targets.hardening import CONTAINED
from llmgen.targets.launch import credential
from llmgen.targets.services import guard

# What podman itself takes beside what its program needs.
_SLACK_SECONDS = 30


def service_lines(item: Container, library: Library) -> Iterator[tuple[str, str]]:
    """The lines of [Service], quoted."""
    if library.config.guard.gate and item.gate:
        yield "ExecCondition", systemd_argv(guard(library.host, "--gate", item.gate))
    yield from _secrets((*(one for _, one in item.secrets), *item.read_before), library)
    yield from (("ExecStartPre", systemd_argv(words)) for words in item.keys)
    if item.before_stop:
        # podman's own stop comes after it.
        words = ("/usr/bin/podman", "exec", item.own_name, *item.before_stop)
        yield "ExecStop", f"-{systemd_argv(words)}"
    loads = item.health.start_seconds if item.health else 0
    yield "TimeoutStartSec", str(max(item.start_seconds, loads) + _SLACK_SECONDS)
    yield "TimeoutStopSec", str(item.stop_seconds + _SLACK_SECONDS)
    yield "Restart", "on-failure"
    yield "RestartSec", "5"
    yield from CONTAINED


def _secrets(found: tuple[Secret, ...], library: Library) -> Iterator[tuple[str, str]]:
    """Where `llmgen keys` finds the secrets, before podman is started."""
    host = library.host
    variables = dict.fromkeys(item.env for item in found if item.env)
    if variables:
        # Where a machine's keeper of secrets puts them; a user's manager passes its own on.
        yield "EnvironmentFile", systemd_path(f"-{host.config / 'secrets.env'}")
        if host.scope == "system":
            yield "PassEnvironment", " ".join(variables)
    loaded = (credential("", item, host, scope=host.scope) for item in found)
    yield from (("LoadCredential", systemd_text(item)) for item in dict.fromkeys(loaded) if item)
