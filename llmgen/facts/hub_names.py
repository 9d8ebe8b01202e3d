"""Which files of a Hub repository a reference means: a file, or a quantisation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from llmgen.errors import Diagnostic, InputError
from llmgen.facts.gguf_facts import ModelRef
from llmgen.facts.refusals import refused
from llmgen.facts.shards import shard, shard_names

# Not models of their own: projectors, importance matrices, MTP and other draft heads.
_BESIDE: Final = re.compile(
    r"(^|[-_.])(mmproj|imatrix|vocab)([-_.]|$)|^(mtp|dspark|dflash)-", re.IGNORECASE
)
_REPOSITORY: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
# What llama-server takes when `-hf` names no quantisation (common/download.cpp).
DEFAULT_QUANT: Final = "Q4_K_M"


class HubRef(Struct, frozen=True):
    """``hf:REPO:WHAT[@REVISION]`` taken apart; ``what`` is a file, a quantisation, or empty."""

    repo: str
    what: str
    revision: str | None


class HubFile(Struct, frozen=True):
    """One file of a repository at one commit."""

    path: str
    size_bytes: int
    sha256: str


def hub_ref(ref: ModelRef) -> HubRef:
    """Take a reference apart; InputError when it names no repository."""
    _, _, rest = ref.partition(":")
    repo, _, what = rest.partition(":")
    what, _, revision = what.partition("@")
    if not _REPOSITORY.fullmatch(repo):
        raise refused("hub-name", f"`{repo}` names no repository", "write it as `owner/name`")
    return HubRef(repo, what, revision or None)


def choose(files: Iterable[HubFile], ref: HubRef) -> tuple[HubFile, ...]:
    """The model's files, the first shard first; InputError lists what there is instead."""
    models = {file.path: file for file in files if _is_safe(file.path)}
    first = _first(sorted(models), ref)
    parts = shard(first)
    names = shard_names(first, parts[2] if parts else 1)
    absent = [name for name in names if name not in models]
    if absent:
        raise refused(
            "shard-missing", f"`{ref.repo}` has no `{absent[0]}`", "its author has to complete it"
        )
    return tuple(models[name] for name in names)


def whole_models(files: Iterable[HubFile]) -> tuple[tuple[HubFile, ...], ...]:
    """The files of every complete model of a repository, the largest model first."""
    models = {file.path: file for file in files if _is_safe(file.path)}
    found = []
    for first in filter(_is_model, models):
        parts = shard(first)
        names = shard_names(first, parts[2] if parts else 1)
        if all(name in models for name in names):
            found.append(tuple(models[name] for name in names))
    return tuple(sorted(found, key=lambda parts: (-total_bytes(parts), parts[0].path)))


def total_bytes(files: Iterable[HubFile]) -> int:
    """Bytes of a model, all its files."""
    return sum(file.size_bytes for file in files)


def repository_name(text: str) -> str:
    """``owner/name`` of a reference that names a repository and nothing in it, else nothing."""
    repo = text.removeprefix("hf:")
    return repo if _REPOSITORY.fullmatch(repo) else ""


def _first(names: Sequence[str], ref: HubRef) -> str:
    for exact in (ref.what, f"{ref.what}.gguf"):
        if exact in names:
            return exact
    if ref.what.lower().endswith(".gguf"):
        raise _absent(names, ref, f"has no file `{ref.what}`")
    whole = [name for name in names if _is_model(name)]
    found = _of_quant(whole, ref.what or DEFAULT_QUANT)
    if not found and not ref.what and len(whole) == 1:
        found = whole
    if not found:
        raise _absent(whole, ref, f"has no quantisation `{ref.what or DEFAULT_QUANT}`")
    if len(found) > 1:
        raise _absent(found, ref, f"has several files of `{ref.what or DEFAULT_QUANT}`")
    return found[0]


def _is_safe(path: str) -> bool:
    """A GGUF file whose path stays below its repository and fits into a line."""
    return (
        path.lower().endswith(".gguf")
        and path.isprintable()
        and {"", ".", ".."}.isdisjoint(path.split("/"))
    )


def _is_model(name: str) -> bool:
    parts = shard(name)
    return not _BESIDE.search(name.rpartition("/")[2].removesuffix(".gguf")) and (
        parts is None or parts[1] == 1
    )


def _of_quant(names: Iterable[str], quant: str) -> list[str]:
    """Files that end in the quant; failing that, those that have it as a word (``UD-Q4_K_M``)."""
    exact = re.compile(rf"(?<!-UD)[-._/]{re.escape(quant)}$", re.IGNORECASE)
    word = re.compile(rf"(^|[-._/]){re.escape(quant)}([-._/]|$)", re.IGNORECASE)
    stems = {name: _stem(name) for name in names}
    return [name for name, stem in stems.items() if exact.search(stem)] or [
        name for name, stem in stems.items() if word.search(stem)
    ]


def _stem(name: str) -> str:
    parts = shard(name)
    return parts[0] if parts else name[: -len(".gguf")]


def _absent(names: Sequence[str], ref: HubRef, what: str) -> InputError:
    listed = ", ".join(f"`{name}`" for name in names[:12]) + (" …" if len(names) > 12 else "")
    return InputError(
        Diagnostic(
            "hub.no-file",
            f"`{ref.repo}` {what}",
            hint=f"set `hf_file` or `quant` to one of {listed}"
            if names
            else "name another repository",
        )
    )
