"""[hardware], [llama_cpp], [paths]: the machine, its server build, its folders."""

from typing import Literal

from pydantic import Field

from llmgen.config.tables.base import (
    Count,
    DeviceName,
    EnvironmentName,
    FileName,
    Line,
    Size,
    Table,
    Text,
)
from llmgen.config.tables.recipe import BuildRecipe

OperatingSystem = Literal["linux", "macos"]
Backend = Literal["cuda", "rocm", "vulkan", "metal", "cpu"]


class Device(Table):
    """One device that can hold layers."""

    memory: Size
    """Memory of the device; with unified memory, the most that the device may take of it."""
    reserve: Size = 512 * 2**20
    """Memory of this device that models leave alone (desktop, other programs)."""
    bandwidth: Size | None = None
    """Bytes that its memory reads in a second, as its maker says; for `show --expect`."""
    name: DeviceName = ""
    """What llama-server calls it (`CUDA0`, `Vulkan1`); empty: the backend's name and its number."""


class Hardware(Table):
    """The machine. A `profile` fills what is not written here; without one, `memory` is needed."""

    profile: Text | None = None
    """A built-in profile (`llmgen schema` and the README list them)."""
    host: FileName = "local"
    """The machine's name in plans and file names; not looked up anywhere."""
    os: OperatingSystem | None = None
    """Operating system that the generated files are for."""
    backend: Backend | None = None
    """llama.cpp's backend."""
    architecture: Text | None = None
    """What compilers call the GPU: `gfx1151`, or a CUDA compute capability as `121`."""
    memory: Size | None = None
    """Memory of the host; with a carve-out, without the carved-out part."""
    reserve: Size | None = None
    """Host memory that models leave alone: the system, the desktop, other programs."""
    unified: bool | None = None
    """Devices and host share one memory."""
    devices: tuple[Device, ...] | None = None
    """Devices in the order of `llama-server --list-devices`; with CUDA, servers are told to keep
    that of `nvidia-smi`. An empty list is a machine without a usable GPU."""
    process_overhead: Size | None = None
    """What the backend takes on each device for each process, beside llama.cpp's buffers."""
    memory_bandwidth: Size | None = None
    """Bytes that the host's memory reads in a second; with unified memory the devices', too."""
    disk_bandwidth: Size | None = None
    """Bytes that the disk with the models reads in a second; load times are planned with it."""
    threads: Count | None = Field(default=None, ge=1)
    """CPU threads for one server (`--threads`)."""
    environment: dict[EnvironmentName, Line] | None = None
    """Environment of every server on this machine."""


class LlamaCpp(Table):
    """The llama.cpp build that the servers on the machine have."""

    build: Count | None = Field(default=None, ge=1)
    """Build number, as `llama-server --version` prints it; absent: the edition's."""
    recipe: BuildRecipe = BuildRecipe.model_construct()
    """How it is compiled, where `llmgen build` does."""


class Paths(Table):
    """Folders and programs on the machine that will run the servers."""

    home: Text | None = None
    """The service user's home: what `~` stands for in every path of this file."""
    models: Text = "~/models"
    """Folder of the model files; relative model paths start here."""
    config: Text | None = None
    """Where `install` puts configuration; absent: /etc/llmgen, or ~/.config/llmgen (user)."""
    state: Text | None = None
    """Logs and state of the services; absent: /var/lib/llmgen, or ~/.local/state/llmgen."""
    runtime: Text | None = None
    """Private folder for files with secrets; absent: /run/llmgen, or ~/.local/state/llmgen/run."""
    prefix: Text | None = None
    """Where `llmgen build` installs llama.cpp (programs in `bin`); absent: /usr/local, or ~/.local
    (user)."""
    llama_server: Text = "/usr/local/bin/llama-server"
    """llama-server; absent where there is a `prefix`: the one in its `bin`."""
    rpc_server: Text | None = None
    """ggml-rpc-server, for [rpc]; absent: the one beside llama-server."""
    engines: dict[FileName, Text] = Field(default_factory=dict)
    """Programs of other engines: `{ vllm = "/opt/vllm/bin/vllm" }`; absent: the engine's usual
    name in /usr/local/bin."""
    llama_swap: Text = "/usr/local/bin/llama-swap"
    """llama-swap."""
    envoy: Text = "/usr/local/bin/envoy"
    """Envoy."""
    litellm: Text = "/usr/local/bin/litellm"
    """LiteLLM's proxy."""
    open_webui: Text = "/usr/local/bin/open-webui"
    """Open WebUI, for [apps.open_webui]."""
    llmgen: Text = "/usr/local/bin/llmgen"
    """llmgen itself, for the timer of [guard] and for gateways' keys."""
