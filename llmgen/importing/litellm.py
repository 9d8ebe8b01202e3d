"""LiteLLM's config.yaml as [external] models and aliases."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llmgen.errors import Diagnostic
from llmgen.importing.model import Part, TablePath, fault, lost

# What a URL may say between its scheme and its host.
_USER = re.compile(r"^(https?://)[^/@]+@")
_ENV = re.compile(r"os\.environ/([A-Za-z_]\w*)")
# LiteLLM's own default for `openai/` (litellm/llms/openai).
_OPENAI = "https://api.openai.com"


def is_litellm(document: object) -> bool:
    """Whether a YAML document is for LiteLLM's proxy."""
    return isinstance(document, dict) and "model_list" in document


def from_litellm(document: Mapping[str, Any]) -> Part:
    """One [external] table for each back end; further names for it become aliases."""
    tables: dict[TablePath, dict[str, Any]] = {}
    faults = [*_twice(document), *_secrets(document)]
    owners: dict[tuple[str, str], str] = {}
    named: set[tuple[str, str]] = set()
    for row in document["model_list"] or []:
        name, params = str(row.get("model_name", "")), row.get("litellm_params") or {}
        base, upstream = str(params.get("api_base", "")), str(params.get("model", ""))
        role = _role(row, upstream)
        if role == "rerank" and upstream.startswith("openai/"):
            faults.append(
                fault(
                    "rerank-provider",
                    f"`{name}` reranks through the `openai/` provider, which has no rerank",
                    "llmgen writes `hosted_vllm/`, which posts to `/rerank`",
                )
            )
        endpoint = _endpoint(base, upstream)
        if why := _unroutable(name, endpoint, upstream):
            faults.append(lost(f"`{name}`", why))
            continue
        owner = owners.setdefault((endpoint, upstream), name)
        if owner != name:
            if (owner, name) not in named:
                named.add((owner, name))
                tables["external", owner].setdefault("aliases", []).append(name)
            continue
        tables["external", name] = {
            "endpoint": endpoint,
            "role": role,
            "upstream_model": upstream.partition("/")[2] or upstream,
        }
        if key := _ENV.fullmatch(str(params.get("api_key", ""))):
            tables["external", name]["api_key"] = {"env": key[1]}
    gateway: dict[str, Any] = {"enable": True}
    master = str((document.get("general_settings") or {}).get("master_key", ""))
    if key := _ENV.fullmatch(master):
        gateway["master_key"] = {"env": key[1]}
    return Part({("gateway", "litellm"): gateway, **tables}, tuple(faults))


def _endpoint(base: str, upstream: str) -> str:
    """Where a row sends its requests; `openai/` without a base is OpenAI itself."""
    if not base and upstream.startswith("openai/"):
        return _OPENAI
    return _USER.sub(r"\1", base).removesuffix("/").removesuffix("/v1")


def _unroutable(name: str, endpoint: str, upstream: str) -> str:
    """Why a row cannot become an external model; empty when it can."""
    if "*" in name or not name:
        return "it stands for many models, and llm.toml names each one"
    if not endpoint:
        return f"`{upstream}` is reached through LiteLLM's own provider, and has no `api_base`"
    if endpoint.startswith("os.environ/"):
        return f"its address is in the variable `{endpoint.partition('/')[2]}`"
    return ""


def _role(row: Mapping[str, Any], upstream: str) -> str:
    mode = str((row.get("model_info") or {}).get("mode", ""))
    names = f"{row.get('model_name', '')} {upstream}".lower()
    if mode == "rerank" or "rerank" in names:
        return "rerank"
    if mode == "embedding" or "embed" in names:
        return "embedding"
    return "chat"


def _twice(document: Mapping[str, Any]) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for row in document["model_list"] or []:
        name = str(row.get("model_name", ""))
        if name in seen:
            yield fault(
                "row-twice",
                f"`{name}` has two rows: LiteLLM balances its requests between them",
                "one row for each name, or `replicas` when that is meant",
            )
        seen.add(name)


def _secrets(document: Mapping[str, Any]) -> Iterator[Diagnostic]:
    general = document.get("general_settings") or {}
    found = [("general_settings.master_key", general.get("master_key"))]
    for row in document["model_list"] or []:
        key = (row.get("litellm_params") or {}).get("api_key")
        found.append((f"api_key of {row.get('model_name')}", key))
        user = _USER.match(str((row.get("litellm_params") or {}).get("api_base", "")))
        found.append((f"api_base of {row.get('model_name')}", user and user[0]))
    for what, value in found:
        # Local servers are given any word as a key; that is no secret.
        if value and not str(value).startswith("os.environ/") and len(str(value)) > 8:
            yield fault(
                "secret-in-clear",
                f"`{what}` stands in clear text",
                '`master_key = { env = "LITELLM_MASTER_KEY" }` in [gateway.litellm]',
            )
