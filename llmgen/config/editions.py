"""What an edition fixes: the versions aimed at and every default, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from llmgen.config.edit import value_text
from llmgen.config.tables.models import GENERATES
from llmgen.engines.roles import Role
from llmgen.units import GIB


class Edition(Struct, frozen=True):
    """Defaults of one edition; a later edition may change them, an existing file keeps its own.

    ``build`` and ``swap_version`` are aimed at when llm.toml names none; the ranges are those that
    the tests have passed. ``context`` caps the trained context of generating roles when
    ``ctx_size`` is absent, ``context_others`` that of embedding and rerank, whose physical batch
    must hold a whole input. ``renders_unused`` says that files which nothing of the stack reads
    are written, too; ``client_formats`` are the client files where none are named. With
    ``small_letters`` every program knows names as written and in small letters; without, Envoy
    takes any letters and the others only what is written. With ``profile_options`` the options
    that a hardware profile speaks for are defaults.
    """

    number: int
    build: int
    builds: tuple[int, int]
    swap_version: int
    swap_versions: tuple[int, int]
    context: int
    context_others: int
    ttl_seconds: int
    keep: Mapping[Role, str]
    renders_unused: bool
    client_formats: tuple[str, ...]
    small_letters: bool
    profile_options: bool
    every_role: Mapping[str, Any]
    generating: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)

    def longest_context(self, role: Role) -> int:
        """The context when ``ctx_size`` is absent and the model was trained for more."""
        return self.context if role in GENERATES else self.context_others

    def options(self, role: Role) -> dict[str, Any]:
        """llama-server options that a model of this role has when nothing else is said."""
        return {**self.every_role, **(self.generating if role in GENERATES else self.others)}

    def told(self) -> dict[str, str]:
        """Key to its default in words, for the schema and whoever reads it."""
        found = {key: value_text(value) for key, value in self.every_role.items()}
        for key, value in self.generating.items():
            found[key] = value_text(value)
            if key in self.others:
                found[key] += f" ({value_text(self.others[key])} for embedding and rerank)"
        context = f"the trained one, at most {self.context}"
        return found | {"ctx_size": f"{context} ({self.context_others} for embedding and rerank)"}


_FIRST: Final = Edition(
    number=1,
    build=11434,
    builds=(9464, 11739),
    swap_version=250,
    swap_versions=(202, 250),
    context=32768,
    context_others=4096,
    ttl_seconds=0,
    keep={
        "chat": "on_demand",
        "completion": "on_demand",
        "vision": "on_demand",
        "embedding": "always",
        "rerank": "always",
        "transcription": "on_demand",
        "speech": "on_demand",
        "image": "on_demand",
    },
    renders_unused=True,
    client_formats=("env", "opencode", "continue", "aider", "zed", "open_webui"),
    small_letters=False,
    profile_options=False,
    every_role={
        "parallel": 1,
        "kv_unified": False,
        "cache_type_k": "f16",
        "cache_type_v": "f16",
        "batch_size": 2048,
        "ubatch_size": 512,
        "flash_attn": "auto",
        "swa_full": False,
        "kv_offload": True,
        "n_gpu_layers": "all",
        "n_cpu_moe": 0,
        "load_mode": "auto",
    },
    # The server's own are 8 GiB and 32 for each slot: more than a shared machine can promise.
    generating={"cache_ram": GIB, "ctx_checkpoints": 4, "jinja": True},
    others={"cache_ram": 0, "ctx_checkpoints": 0},
)

EDITIONS: Final[dict[int, Edition]] = {
    1: _FIRST,
    2: replace(
        _FIRST,
        number=2,
        renders_unused=False,
        client_formats=("env",),
        small_letters=True,
        profile_options=True,
    ),
}
