"""What programs that use the models need: a key for the gateway, a key of their own."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.config import Config
from llmgen.engines.loaders import loader_of
from llmgen.errors import Diagnostic, Severity

_PLACE = ("apps", "open_webui")


def findings(config: Config) -> Iterator[Diagnostic]:
    """Errors about Open WebUI where it is switched on."""
    page = config.apps.open_webui
    if not page.enable:
        return
    if page.secret_key is None:
        yield Diagnostic(
            "apps.no-secret-key",
            "Open WebUI signs its sessions with a key, and nobody says where that is",
            (*_PLACE, "enable"),
            hint='`secret_key = { file = "open-webui.key" }` in [apps.open_webui]; '
            "`openssl rand -hex 32` makes one",
        )
    envoy, litellm = config.gateway.envoy, config.gateway.litellm
    keyed = envoy.api_keys if envoy.enable else litellm.enable and litellm.master_key
    if keyed and page.api_key is None:
        yield Diagnostic(
            "apps.no-api-key",
            "the gateway wants a key, and Open WebUI has none",
            (*_PLACE, "enable"),
            hint="`api_key` in [apps.open_webui]: the `secret` of one of the gateway's clients",
        )
    loader = loader_of(config.services)
    one_door = envoy.enable or litellm.enable or loader.knows_others
    if loader.loads and not one_door:
        yield Diagnostic(
            "apps.several-servers",
            "Open WebUI asks every server by itself where no gateway is in front of them",
            (*_PLACE, "enable"),
            hint="`enable = true` in [gateway.envoy] gives it one address for all models",
            severity=Severity.WARNING,
        )
