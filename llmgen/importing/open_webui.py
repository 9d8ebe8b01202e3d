"""Open WebUI's container: [apps.open_webui] runs it, with the stack's own address and key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmgen.config.tables.containers import OpenWebui
from llmgen.importing.containers import ImportedContainer
from llmgen.importing.parts import Item, Key, fault, is_secret, lost

_PLACE: Final = ("apps", "open_webui")
# What llmgen writes itself: the address of the stack, its key, its models.
_OWN: Final = (
    "OPENAI_API_",
    "RAG_OPENAI_API_",
    "AUDIO_",
    "OLLAMA_",
    "ENABLE_OLLAMA",
    "DEFAULT_MODELS",
)
_SIGNS: Final = "WEBUI_SECRET_KEY"


def is_page(container: ImportedContainer | None) -> bool:
    """Whether a container is Open WebUI's."""
    return container is not None and "open-webui" in container.image


def page(where: str, container: ImportedContainer) -> Iterator[Item]:
    """The keys of [apps.open_webui], and what of the container they do not have."""
    yield Key(_PLACE, ("enable",), True)
    if "@sha256:" in container.image:
        # A tag is the version of its day; llmgen names the one that it was tried with.
        yield Key(("containers",), ("open_webui_image",), container.image)
    else:
        yield lost(f"`{container.image}` of {where}", "`open_webui_image` in [containers] names it")
    port = container.outside_port
    if port.isdigit() and int(port) != OpenWebui.model_fields["port"].default:
        yield Key(_PLACE, ("port",), int(port))
    if port:
        yield fault(
            "page-on-loopback",
            f"{where} was open to other machines, unless its port said an address",
            "`listen` in [apps.open_webui] opens it again; it is on loopback now",
        )
    for name, _ in container.environment:
        yield _variable(where, name)
    for item in container.volumes:
        yield lost(
            f"`{item.outside}` of {where}",
            "its data is in the stack's own folder or volume: copy it there",
        )
    for word in container.args:
        yield lost(f"`{word}` of {where}", "llmgen locks its containers in itself")


def _variable(where: str, name: str) -> Item:
    what = f"`{name}` of {where}"
    if name == _SIGNS:
        return lost(what, '`secret_key = { env = "WEBUI_SECRET_KEY" }` in [apps.open_webui]')
    if name.startswith(_OWN):
        return lost(what, "llmgen writes the stack's own address, key and models")
    why = "a secret is no text of llm.toml" if is_secret(name) else "llm.toml has no key for it"
    return lost(what, f"{why}; the page's settings have it, too")
