"""Files with keys: nobody but their owner and group may read them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import Seen
from llmgen.gateway.secrets import absolute
from llmgen.layout import expand
from llmgen.plan.plan import Plan
from llmgen.targets.services import services

EXPECTED = "closed to other users"


def wanted(plan: Plan) -> tuple[str, ...]:
    """Every file that llm.toml names as a secret, and the one where variables are kept."""
    return tuple(dict.fromkeys(_wanted(plan)))


def closed(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """No other user can read a key; a file that is not there is what `llmgen keys` complains of."""
    for path in wanted(plan):
        if path not in seen.secrets:
            yield unknown("key-file", path, EXPECTED, "it is not there, or closed to this user")
            continue
        mode = seen.secrets[path]
        yield judged(
            "key-file",
            path,
            EXPECTED,
            f"mode {mode:04o}",
            ok=not mode & 0o007,
            fix=f"`chmod o-rwx {shlex.quote(path)}`, and a new key: others may have read this one",
        )


def _wanted(plan: Plan) -> Iterator[str]:
    layout, tls = plan.library.layout, plan.library.config.gateway.envoy.tls
    for service in services(plan):
        for item in (*(secret for _, secret in service.secrets), *service.read_before):
            if item.env is not None:
                yield str(layout.config / "secrets.env")
            elif item.file is not None:
                yield str(absolute(item, layout).file)
    if tls is not None and plan.library.config.gateway.envoy.enable:
        yield str(layout.config / expand(tls.key, layout.home, ("gateway", "envoy", "tls", "key")))
