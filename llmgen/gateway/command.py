"""How the gateways are started and stopped: words, environment, and what runs before."""

from __future__ import annotations

from typing import Final

from llmgen.config.tables.gateway import Envoy, LiteLLM
from llmgen.gateway.addresses import bare
from llmgen.gateway.secrets import MANIFEST
from llmgen.layout import Layout
from llmgen.library import Library

# Without these LiteLLM looks up raw.githubusercontent.com at every start (litellm 1.106.2,
# watched with an audit hook); PRODUCTION keeps it from reading .env files of its folder.
LITELLM_ENVIRONMENT: Final = (
    ("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True"),
    ("LITELLM_LOCAL_AUTOROUTER_PRESETS", "True"),
    ("LITELLM_LOCAL_BLOG_POSTS", "True"),
    ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
    ("LITELLM_LOCAL_POLICY_TEMPLATES", "True"),
    ("LITELLM_MODE", "PRODUCTION"),
)
_ENVOY_LEVELS: Final = {"error": "error", "warn": "warning", "info": "info", "debug": "debug"}
_LITELLM_LEVELS: Final = {"error": "ERROR", "warn": "WARNING", "info": "INFO", "debug": "DEBUG"}
# Seconds that a stopping Envoy lets running answers finish.
DRAIN_SECONDS: Final = 300


def envoy(layout: Layout, table: Envoy) -> tuple[str, ...]:
    """Envoy's command line."""
    return (
        str(layout.envoy),
        *("-c", str(layout.config / "envoy" / "envoy.yaml")),
        *("--concurrency", str(table.workers)),
        "--disable-hot-restart",
        # Without this a misspelt field of a dynamic file is dropped without a word.
        "--reject-unknown-dynamic-fields",
        # api_key_auth is marked work in progress and warns at each update.
        *("--component-log-level", "misc:error"),
        *(("--log-level", _ENVOY_LEVELS[table.log_level]) if table.log_level else ()),
        *("--file-flush-interval-msec", "1000"),
        # How long streams survive a changed listener.
        *("--drain-time-s", "3600"),
        *("--drain-strategy", "immediate"),
    )


def envoy_checks(layout: Layout) -> tuple[tuple[str, ...], ...]:
    """What Envoy itself must say first: that the static form is right."""
    check = (str(layout.envoy), "--mode", "validate", "-l", "error", "-c")
    return ((*check, str(layout.config / "envoy" / "static.yaml")),)


def envoy_stop(layout: Layout) -> tuple[str, ...]:
    """Let running answers finish before Envoy is told to end, which cuts them."""
    return ("/bin/sh", str(layout.config / "envoy" / "drain.sh"))


def litellm(layout: Layout, table: LiteLLM, listen: str) -> tuple[str, ...]:
    """LiteLLM's command line."""
    return (
        str(layout.litellm),
        *("--config", str(layout.config / "litellm" / "config.yaml")),
        *("--host", bare(listen)),
        *("--port", str(table.port)),
        *("--num_workers", str(table.workers)),
    )


def litellm_environment(table: LiteLLM) -> tuple[tuple[str, str], ...]:
    """What LiteLLM finds in its environment beside its keys."""
    told = (("LITELLM_LOG", _LITELLM_LEVELS[table.log_level]),) if table.log_level else ()
    return (*LITELLM_ENVIRONMENT, *told)


def litellm_environment_file(layout: Layout) -> str:
    """Where ``llmgen keys`` puts the environment with LiteLLM's secrets."""
    return str(layout.runtime / "litellm" / "keys.env")


def keys(library: Library, service: str) -> tuple[str, ...]:
    """Fill one service's keys into the runtime folder; on rotation, run it again."""
    return (str(library.host.llmgen), "keys", str(library.files / service / MANIFEST))
