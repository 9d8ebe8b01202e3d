"""[containers], [apps.NAME]: the stack in containers, and programs that use its models."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from llmgen.config.tables.base import (
    Address,
    FileOwner,
    ImageName,
    Port,
    Release,
    Secret,
    Size,
    Table,
)


def _least(version: str) -> str:
    if int(version.partition(".")[0]) < _LEAST_PODMAN:
        raise ValueError(f"podman {version} has no quadlets that wait until a service answers")
    return version


_LEAST_PODMAN = 5


class Containers(Table):
    """[containers]: images, and the versions of what runs them."""

    program: Literal["docker", "podman"] = "docker"
    """The program that drives compose (`docker compose`, `podman compose`) and builds images."""
    podman: Annotated[Release, AfterValidator(_least)] = "5.4"
    """Version of podman whose quadlets are written; 5.0 is the first whose units wait for a
    healthy container."""
    compose: Release = "2.26"
    """Version of docker compose whose keys are written."""
    user: FileOwner = "1000:1000"
    """UID and GID within the containers; owner of the files with keys. A user's quadlets map it
    to that user."""
    image: ImageName | None = None
    """Image of llama-server (with llama-swap in it, where that loads models); absent: the published
    one of the backend and build; they are pushed once a day, so that not every
    build has one. A digest (`@sha256:…`) may stand in it, as in the other images."""
    llama_swap_image: ImageName | None = None
    """Image of llama-swap, which starts llama-server in the same container; absent: `image`, or
    the published one."""
    envoy_image: ImageName | None = None
    """Image of Envoy; absent: the published one."""
    litellm_image: ImageName | None = None
    """Image of LiteLLM; absent: the published one."""
    open_webui_image: ImageName | None = None
    """Image of Open WebUI; absent: the published one."""
    build: bool = False
    """Images of llama.cpp are built here (`llmgen build`) instead of pulled."""


class OpenWebui(Table):
    """[apps.open_webui]: Open WebUI, a chat page in front of the stack's gateway."""

    enable: bool = False
    """Budgeted, installed and started."""
    listen: Address = "127.0.0.1"
    """Address; it has accounts of its own, so another than loopback needs no key."""
    port: Port = 3000
    """Port of the page."""
    api_key: Secret | None = None
    """Its key for the gateway; needed where that wants one."""
    secret_key: Secret | None = None
    """What signs its sessions (`WEBUI_SECRET_KEY`); absent: one that it makes and keeps itself."""
    memory: Size = 1536 * 2**20
    """Host memory that it may take, for the plan."""


class Apps(Table):
    """[apps.*]: programs that use the models."""

    open_webui: OpenWebui = OpenWebui.model_construct()
    """Open WebUI."""
