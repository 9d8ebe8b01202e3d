"""One row of LiteLLM's `model_list` as an [external] model, where it can be one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from llmgen.resolve.litellm_keys import REFERENCE
from llmgen.targets.litellm import MODES, NO_KEY, TEXT, WAITING

# What a URL may say between its scheme and its host.
_USER = re.compile(r"^(https?://)[^/@]+@")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._~/-]*)?")
_ENV = re.compile(rf"{re.escape(REFERENCE)}([A-Za-z_]\w*)")
# LiteLLM's own default for `openai/` (litellm/llms/openai).
_OPENAI = "https://api.openai.com"
# Providers that speak OpenAI's protocol to whatever `api_base` says.
_OPENAI_LIKE: Final = frozenset(
    {
        "openai", "hosted_vllm", "vllm", "text-completion-openai", "custom_openai", "litellm_proxy",
        "lm_studio", "llamafile", "ollama", "ollama_chat", "openai_like", "xinference", "infinity",
    }
)  # fmt: skip
_ROLES: Final = {mode: role for role, mode in MODES.items() if role != "vision"}
_CONTEXT: Final = ("max_input_tokens", "max_tokens")


class ExternalRow(Struct, frozen=True):
    """Keys of an [external] table, and what was wrong in the row."""

    keys: Mapping[str, Any]
    faults: tuple[tuple[str, str, str], ...] = ()

    def same(self, other: ExternalRow) -> bool:
        """Whether another row leads to the same model in the same way."""
        return self.keys == other.keys


def external(
    name: str, row: Mapping[str, Any], params: Mapping[str, Any], timeout: object
) -> ExternalRow | str:
    """The [external] model of a row, or why it cannot be one; ``timeout`` is that of all rows."""
    info = row.get("model_info") or {}
    provider, _, rest = str(params.get("model", "")).partition("/")
    upstream = rest or provider
    role = _role(name, info, upstream)
    endpoint = _endpoint(str(params.get("api_base") or ""), provider if rest else "")
    if why := _unroutable(name, endpoint, provider if rest else ""):
        return why
    keys: dict[str, Any] = {"endpoint": endpoint, "role": role, "upstream_model": upstream}
    key = str(params.get("api_key") or "")
    if known := _ENV.fullmatch(key):
        keys["api_key"] = {"env": known[1]}
    elif len(key) > 8 and key != NO_KEY:
        keys["api_key"] = {"env": re.sub(r"\W", "_", f"{name}_KEY").upper()}
    contexts = [info[key] for key in _CONTEXT if _is_count(info.get(key))]
    if contexts and contexts.count(contexts[0]) == len(contexts):
        keys["ctx_size"] = contexts[0]
    more = _more(params, role, timeout) | _info(info, role, known="ctx_size" in keys)
    parallel = more.get("max_parallel_requests")
    if isinstance(parallel, int) and parallel > 0 and parallel % WAITING == 0:
        keys["slots"] = parallel // WAITING
        del more["max_parallel_requests"]
    if more:
        keys["litellm"] = more
    wrong = role == "rerank" and provider == "openai"
    return ExternalRow(keys, (_rerank(name),) if wrong else ())


def _rerank(name: str) -> tuple[str, str, str]:
    return (
        "rerank-provider",
        f"`{name}` reranks through the `openai/` provider, which has no rerank",
        "llmgen writes `hosted_vllm/`, which posts to `/rerank`",
    )


def _endpoint(base: str, provider: str) -> str:
    """Where a row sends its requests; `openai/` without a base is OpenAI itself."""
    if not base and provider == "openai":
        return _OPENAI
    return _USER.sub(r"\1", base).removesuffix("/").removesuffix("/v1")


def _unroutable(name: str, endpoint: str, provider: str) -> str:
    if "*" in name or not name:
        return "it stands for many models, and llm.toml names each one"
    if endpoint.startswith(REFERENCE):
        return f"its address is in the variable `{endpoint.partition('/')[2]}`"
    if not endpoint:
        return "it is reached through LiteLLM's own provider, and has no `api_base`"
    if provider and provider not in _OPENAI_LIKE:
        return f"`{provider}/` does not speak OpenAI's protocol"
    if not _ENDPOINT.fullmatch(endpoint):
        return "its `api_base` is no plain address"
    return ""


def _role(name: str, info: Mapping[str, Any], upstream: str) -> str:
    mode = str(info.get("mode", ""))
    if mode in _ROLES:
        return _ROLES[mode]
    names = f"{name} {upstream}".lower()
    if "rerank" in names:
        return "rerank"
    return "embedding" if "embed" in names else "chat"


def _more(params: Mapping[str, Any], role: str, timeout: object) -> dict[str, Any]:
    """Keys of `litellm_params` that llmgen does not write by itself."""
    usual: dict[str, Any] = {"timeout": timeout, "stream_timeout": timeout}
    if role in TEXT:
        usual["use_chat_completions_api"] = True
    return {
        key: value
        for key, value in params.items()
        if key not in ("model", "api_base", "api_key")
        and value is not None
        and usual.get(key) != value
    }


def _info(info: Mapping[str, Any], role: str, *, known: bool) -> dict[str, Any]:
    """Keys of `model_info` that llmgen does not write by itself."""
    usual: dict[str, Any] = {"input_cost_per_token": 0, "output_cost_per_token": 0}
    if role in TEXT:
        usual |= {"supports_function_calling": True, "supports_response_schema": True}
    written = {"mode", *(_CONTEXT if known else ())}
    kept = {
        key: value
        for key, value in info.items()
        if value is not None and usual.get(key) != value and (key not in written)
    }
    mode = info.get("mode")
    if mode is not None and mode not in _ROLES:
        kept["mode"] = mode
    return {"model_info": kept} if kept else {}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
