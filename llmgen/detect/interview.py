"""Three answers of a person as tables of llm.toml: which models, what for, who may reach them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

from llmgen.config.edit import append_table

AnswerTables: TypeAlias = Mapping[tuple[str, ...], Mapping[str, Any]]
_NUMBERS: Final = re.compile(r"(\d+)(?:-(\d+))?")

# References without a folder are looked up in llmgen's own (`layout.CONFIG`).
_KEY: Final = (
    "a key is still to be made: "
    "`(umask 077; mkdir -p ~/.config/llmgen; openssl rand -hex 32 > ~/.config/llmgen/{})`"
)


class Answer(Struct, frozen=True):
    """One answer that may be given: in words, and what it puts into llm.toml.

    ``keys`` are those of each chat model, ``tables`` stand once, ``next`` is what is left to do.
    """

    words: str
    keys: Mapping[str, Any] = {}
    tables: AnswerTables = {}
    next: str = ""


PURPOSES: Final = (
    Answer("chat, one request at a time"),
    Answer("coding agents: the longest contexts that fit", {"ctx_size": "max"}),
    Answer(
        "several people at the same time",
        {"ctx_size": "max", "parallel": 4, "kv_unified": True},
    ),
)
REACHES: Final = (
    Answer("programs of this machine"),
    Answer(
        "other machines of the network, with a key",
        tables={
            ("gateway", "envoy"): {
                "enable": True,
                "listen": ["0.0.0.0"],  # noqa: S104 - asked for, and with keys
                "api_keys": [{"name": "me", "secret": {"file": "me.key"}}],
            }
        },
        next=f"{_KEY.format('me.key')}; [gateway.envoy.tls] encrypts what goes over the network",
    ),
    Answer(
        "programs of this machine, and a chat page for its browsers (Open WebUI)",
        tables={("apps", "open_webui"): {"enable": True, "secret_key": {"file": "open-webui.key"}}},
        next=_KEY.format("open-webui.key"),
    ),
)


def numbers(text: str, most: int) -> list[int]:
    """The numbers of ``1 3-5``, each once, from 1; ValueError says what is none."""
    found: list[int] = []
    for word in text.replace(",", " ").split():
        match = _NUMBERS.fullmatch(word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= most:
            raise ValueError(f"`{word}` is no number from 1 to {most}")
        found += range(first, last + 1)
    return [*dict.fromkeys(found)]


def following(stores: Iterable[str], keys: Mapping[str, Any]) -> AnswerTables:
    """[sync] for these stores, with the keys of chat models."""
    options: AnswerTables = {("sync", "options", "chat"): keys} if keys else {}
    return {("sync",): {"stores": [*stores]}, **options}


def models(chosen: Sequence[Mapping[str, Any]], keys: Mapping[str, Any]) -> Iterator[AnswerTables]:
    """[models.NAME] for each; ``chosen`` have their name, and the keys of their source and role."""
    for table in chosen:
        own = {key: value for key, value in table.items() if key != "name"}
        yield {("models", str(table["name"])): own if "role" in own else {**own, **keys}}


def with_answers(text: str, tables: AnswerTables) -> str:
    """An llm.toml with the tables of the answers behind it."""
    for path, keys in tables.items():
        text = append_table(text, path, keys)
    return text
