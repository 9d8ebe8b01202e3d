"""Where things are on the machine: programs, models, configuration, state; ``~`` ends here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal

from msgspec import Struct, field

from llmgen.config.tables.hardware import Paths
from llmgen.errors import ConfigError, Diagnostic

Scope = Literal["user", "system"]

# (system, user) defaults of the folders that llmgen installs into.
CONFIG = ("/etc/llmgen", "~/.config/llmgen")
STATE = ("/var/lib/llmgen", "~/.local/state/llmgen")
RUNTIME = ("/run/llmgen", "~/.local/state/llmgen/run")
PREFIX = ("/usr/local", "~/.local")
UNITS = ("/etc/systemd/system", "~/.config/systemd/user")
# Where podman's generator looks for units of containers, and the compose file below CONFIG.
QUADLETS = ("/etc/containers/systemd", "~/.config/containers/systemd")
COMPOSE = "compose"
PROGRAMS = PurePosixPath("/usr/local/bin")
AGENTS = ("/Library/LaunchDaemons", "~/Library/LaunchAgents")


class Layout(Struct, frozen=True):
    """Absolute paths on the target machine."""

    scope: Scope
    home: PurePosixPath | None
    models: PurePosixPath
    config: PurePosixPath
    state: PurePosixPath
    runtime: PurePosixPath
    units: PurePosixPath
    agents: PurePosixPath
    llama_server: PurePosixPath
    llama_swap: PurePosixPath
    envoy: PurePosixPath
    litellm: PurePosixPath
    llmgen: PurePosixPath
    open_webui: PurePosixPath = PROGRAMS / "open-webui"
    rpc_server: PurePosixPath = PROGRAMS / "ggml-rpc-server"
    prefix: PurePosixPath = PurePosixPath(PREFIX[0])
    engines: Mapping[str, PurePosixPath] = field(default_factory=dict)
    quadlets: PurePosixPath = PurePosixPath(QUADLETS[0])

    @property
    def compose(self) -> PurePosixPath:
        """The folder of the compose file with all that it mounts."""
        return self.config / COMPOSE

    def model(self, name: str) -> PurePosixPath:
        """Absolute path of a model file named in the lock or in llm.toml."""
        return self.models / expand(name, self.home, ("paths", "home"))

    def program(self, engine: str, usual: str) -> str:
        """Absolute path of an engine's program."""
        return str(self.engines.get(engine) or PROGRAMS / usual)


def layout(paths: Paths, scope: Scope) -> Layout:
    """Every folder and program; ConfigError when ``~`` has no home or a path is relative."""
    home = PurePosixPath(paths.home) if paths.home is not None else None
    index = 1 if scope == "user" else 0

    def at(key: str, text: str) -> PurePosixPath:
        path = expand(text, home, ("paths", key))
        if not path.is_absolute():
            raise ConfigError(
                Diagnostic(
                    "config.relative-path",
                    f"`{text}` is not an absolute path",
                    ("paths", key),
                    hint="services start in another folder; begin the path with `/` or `~/`",
                )
            )
        return path

    return Layout(
        scope=scope,
        home=home,
        models=at("models", paths.models),
        config=at("config", paths.config or CONFIG[index]),
        state=at("state", paths.state or STATE[index]),
        runtime=at("runtime", paths.runtime or RUNTIME[index]),
        units=at("config", UNITS[index]),
        agents=at("config", AGENTS[index]),
        llama_server=at("llama_server", _llama_server(paths)),
        llama_swap=at("llama_swap", paths.llama_swap),
        envoy=at("envoy", paths.envoy),
        litellm=at("litellm", paths.litellm),
        llmgen=at("llmgen", paths.llmgen),
        open_webui=at("open_webui", paths.open_webui),
        rpc_server=at("rpc_server", paths.rpc_server or _beside(_llama_server(paths))),
        prefix=at("prefix", paths.prefix or PREFIX[index]),
        engines={name: at("engines", text) for name, text in paths.engines.items()},
        quadlets=at("config", QUADLETS[index]),
    )


def _llama_server(paths: Paths) -> str:
    """As told, else where `llmgen build` installs it, else where packages do."""
    if paths.prefix is None or "llama_server" in paths.model_fields_set:
        return paths.llama_server
    return f"{paths.prefix.rstrip('/')}/bin/llama-server"


def _beside(llama_server: str) -> str:
    """One build makes both, and both ends of RPC have to be one build."""
    return str(PurePosixPath(llama_server).with_name("ggml-rpc-server"))


def expand(text: str, home: PurePosixPath | None, key: tuple[str, ...]) -> PurePosixPath:
    """Replace a leading ``~``; ConfigError at ``key`` when llm.toml does not say what it is."""
    if text != "~" and not text.startswith("~/"):
        return PurePosixPath(text)
    if home is None:
        raise ConfigError(
            Diagnostic(
                "config.no-home",
                f"`{text}` needs to know the service user's home",
                key,
                hint='set `home = "/home/NAME"` in [paths]',
            )
        )
    return home / text[2:]
