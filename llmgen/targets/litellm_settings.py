"""Settings of LiteLLM's proxy: what llmgen writes by itself, and what passes through."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

ROUTER, SETTINGS, GENERAL = "router_settings", "litellm_settings", "general_settings"
# What each section says; `[gateway.litellm] extra` may say otherwise.
OWN: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        ROUTER: {
            "routing_strategy": "",
            "num_retries": 1,
            "retry_after": 1,
            "retry_policy": {
                "ServiceUnavailableErrorRetries": 12,
                "InternalServerErrorRetries": 0,
                "BadRequestErrorRetries": 0,
                "TimeoutErrorRetries": 0,
            },
            "allowed_fails": 1000,
            "cooldown_time": 1,
        },
        SETTINGS: {
            "drop_params": True,
            "json_logs": True,
            "turn_off_message_logging": True,
            "redact_user_api_key_info": True,
            "budget_duration": "30d",
        },
        GENERAL: {
            "cancel_on_disconnect": True,
            "background_health_checks": False,
            "infer_model_from_keys": False,
        },
    }
)
# Lists and tables to which llmgen adds its own.
JOINED: Final = frozenset(
    {"callbacks", "context_window_fallbacks", "fallbacks", "model_group_alias"}
)


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - any value of YAML
    """A list as it is, one thing as a list of it."""
    return [*value] if isinstance(value, list | tuple) else [value]


class LitellmSections(Struct, frozen=True):
    """The three sections: keys that the template has, and more of them; and further sections."""

    own: Mapping[str, Mapping[str, Any]]
    more: Mapping[str, Mapping[str, Any]]
    sections: Mapping[str, Any]


def settings(extra: Mapping[str, Any], computed: Mapping[str, Any]) -> LitellmSections:
    """What llm.toml passes through over what llmgen writes; ``computed`` are the router's own."""
    own: dict[str, dict[str, Any]] = {}
    more: dict[str, dict[str, Any]] = {}
    for section, usual in OWN.items():
        known = {**usual, **(computed if section == ROUTER else {})}
        told = extra.get(section, {})
        own[section] = {key: _over(value, told.get(key, value)) for key, value in known.items()}
        more[section] = {
            key: value for key, value in told.items() if key not in known and key not in JOINED
        }
    others = {key: table for key, table in extra.items() if key not in {*OWN, "model_list"}}
    return LitellmSections(own, more, others)


def _over(usual: Any, told: Any) -> Any:  # noqa: ANN401 - any value of YAML
    both = isinstance(usual, dict) and isinstance(told, dict)
    return {**usual, **told} if both else told
