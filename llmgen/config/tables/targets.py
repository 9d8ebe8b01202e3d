"""[targets.*]: which files are wanted, versions aimed at, and formats of client files."""

from typing import Annotated, Any, Literal

from pydantic import Field

from llmgen.config.tables.base import (
    Count,
    EnvironmentName,
    HostPort,
    Release,
    Seconds,
    Table,
    Text,
    Url,
)

ClientFormat = Literal["env", "opencode", "continue", "aider", "zed", "open_webui", "dotenv"]


class Target(Table):
    """[targets.NAME]."""

    enable: bool | None = None
    """Render its files; absent: where the stack runs what reads them (edition 1: always)."""


class SwapTarget(Target):
    """[targets.llama_swap]."""

    version: Count | None = Field(default=None, ge=1)
    """llama-swap's version (its tag's number); absent: the edition's."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """More top-level keys of its config.yaml (`{ store = { path = "/x" } }`)."""


class ClientsTarget(Target):
    """[targets.clients]: files for programs that use the models."""

    base_url: Url | None = None
    """What clients reach; absent: the enabled gateway on loopback."""
    api_key_env: EnvironmentName = "LLM_API_KEY"
    """Environment variable that holds the client's key."""
    formats: (
        tuple[Literal["env", "opencode", "continue", "aider", "zed", "open_webui", "dotenv"], ...]
        | None
    ) = None
    """Which files to write; absent: `env` alone (edition 1: all)."""


class ReportTarget(Table):
    """[targets.report]: the plan as a page to look at."""

    enable: bool | None = None
    """Render it; absent: no (`llmgen report` writes one at any time)."""


class HostTarget(Table):
    """[targets.host]: settings of the machine itself, which `llmgen host` prints and installs."""

    enable: bool | None = None
    """Render them below `host/` too; absent: no (`llmgen host` has them at any time)."""
    kernel: Release | None = None
    """Linux that the machine boots (`"6.1"`): before 6.5 GTT needs `amdgpu.gttsize` as well."""
    huge_pages: Literal["always", "madvise", "never"] | None = None
    """Transparent huge pages; absent: as the system has them."""
    firewall: bool = False
    """Load the rules of `llmgen firewall` at every boot: nftables, on macOS pf."""


class PrometheusTarget(Table):
    """[targets.prometheus]: the stack as Prometheus and Grafana see it."""

    enable: bool | None = None
    """Render scrape configuration, alert rules and dashboard; absent: no."""
    interval: Annotated[Seconds, Field(ge=1, le=60)] = 15
    """Time between two looks of Prometheus."""
    node_exporter: HostPort | None = None
    """node_exporter of this machine (`127.0.0.1:9100`), asked as well."""
    gpu_exporter: HostPort | None = None
    """An exporter of the devices (dcgm-exporter: `127.0.0.1:9400`), asked as well."""
    textfiles: Text | None = None
    """Folder of node_exporter's collector `textfile`: a timer writes `llmgen status --prometheus`
    there every minute; absent: no timer."""
    keys: Text | None = None
    """Folder of its own for the keys that Prometheus needs, which `llmgen keys` fills; absent:
    `prometheus` in the folder of [paths] runtime."""


class Targets(Table):
    """[targets.*]: what is rendered, and what it aims at."""

    llama_swap: SwapTarget = SwapTarget.model_construct()
    """llama-swap."""
    llama_server: Target = Target.model_construct()
    """llama-server: launch files of always-on models, presets of router mode."""
    envoy: Target = Target.model_construct()
    """Envoy."""
    litellm: Target = Target.model_construct()
    """LiteLLM."""
    systemd: Target = Target.model_construct()
    """Units (Linux)."""
    launchd: Target = Target.model_construct()
    """Property lists (macOS)."""
    compose: Target = Target.model_construct()
    """compose.yaml with all that it mounts; absent: where `runtime = "compose"`."""
    quadlet: Target = Target.model_construct()
    """Podman's units; absent: where `runtime = "quadlet"`."""
    containerfile: Target = Target.model_construct()
    """Containerfile: llama.cpp's image, compiled by the recipe."""
    makefile: Target = Target.model_construct()
    """Makefile: llmgen's verbs as goals of make; absent: no."""
    clients: ClientsTarget = ClientsTarget.model_construct()
    """Client files."""
    docs: Target = Target.model_construct()
    """CONFIGURATION.md."""
    proof: Target = Target.model_construct()
    """plan.json."""
    report: ReportTarget = ReportTarget.model_construct()
    """report.html and memory.svg, which CONFIGURATION.md then shows."""
    host: HostTarget = HostTarget.model_construct()
    """Settings of the machine itself."""
    prometheus: PrometheusTarget = PrometheusTarget.model_construct()
    """Prometheus and Grafana."""
