"""What of the machine a container sees: model files, its configuration, its keys."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.gateway.remotes import spares
from llmgen.layout import expand
from llmgen.library import Contained, Keep, Library
from llmgen.plan.plan import Placement, Plan
from llmgen.targets import open_webui
from llmgen.targets.containers.container import CACHE, SECRETS, Mount
from llmgen.targets.containers.inside import files, template
from llmgen.targets.services import Service

# Which of the folders with configuration a service reads.
_FOLDERS = {
    "swap": "llama-swap",
    "router": "llama-server",
    "envoy": "envoy",
    "litellm": "litellm",
}


def mounts(service: Service, model: Placement | None, inner: Plan) -> Iterator[Mount]:
    """The mounts of a service; only those that are said to be are written to."""
    library = inner.library
    around = library.contained
    if around is None:
        return
    folder = _FOLDERS.get(service.name)
    if folder is not None:
        yield Mount("files", str(around.files / folder), library.layout.config / folder)
    if service.keys:
        source, target = (at.runtime / service.name for at in (around.host, library.layout))
        # Envoy takes its listener out of the folder before it ends.
        yield Mount("keys", str(source), target, writable=bool(service.stop))
    if service.secrets:
        yield Mount("keys", str(around.host.runtime / "secrets" / service.name), SECRETS)
    yield from _of_models(served(service, model, inner), library, around)
    if service.name == "envoy":
        yield from _of_envoy(library, around)
    if service.gpu or (model is not None and not model.model.is_llama):
        yield Mount("volume", "cache", CACHE, writable=True)
    if service.name == open_webui.NAME:
        target = library.layout.state / open_webui.NAME
        yield Mount("volume", open_webui.NAME, target, writable=True)


def served(service: Service, model: Placement | None, inner: Plan) -> tuple[Placement, ...]:
    """The models whose files a service opens."""
    if model is not None:
        return (model,)
    if service.name not in ("swap", "router"):
        return ()
    return tuple(item for item in inner.placements if item.keep is Keep.ON_DEMAND)


def _of_models(
    models: tuple[Placement, ...], library: Library, around: Contained
) -> Iterator[Mount]:
    """Folders with model files, and the template files alone."""
    within = [path for item in models for path in files(item.model, library.layout)]
    for source, target in around.folders.items():
        if any(path.is_relative_to(target) for path in within):
            yield Mount("models", str(source), target)
    for item in models:
        if (path := template(item.model, library.layout)) is not None:
            yield Mount("file", str(around.templates[item.name]), path)


def _of_envoy(library: Library, around: Contained) -> Iterator[Mount]:
    """The certificate's files, and those of servers elsewhere."""
    envoy, host = library.config.gateway.envoy, around.host
    for name in ("cert", "key") if envoy.tls is not None else ():
        told = expand(getattr(envoy.tls, name), host.home, ("gateway", "envoy", "tls", name))
        yield Mount("file", str(host.config / told), library.layout.config / told)
    for file in dict.fromkeys(_of_spares(library)):
        path = expand(file, host.home, ("paths", "home"))
        yield Mount("file", str(host.config / path), library.layout.config / path)


def _of_spares(library: Library) -> Iterator[str]:
    tls = library.config.gateway.envoy.tls
    yield from (tls.client_ca,) if tls and tls.client_ca else ()
    for item in spares(library.config):
        yield from (item.ca,) if item.ca else ()
        yield from (item.client_tls.cert, item.client_tls.key) if item.client_tls else ()
