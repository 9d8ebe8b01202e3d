"""llmgen itself as a zip to be sent: its own files, and the packages that it needs."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from platform import machine
from threading import Lock
from typing import Final

import llmgen
from llmgen.render.environment import templates_folder

# Compiled modules are for one version of Python on one kind of machine.
TAG: Final = sys.implementation.cache_tag
MACHINE: Final = f"{sys.platform}-{machine()}"
# Several hosts ask at once, and it is packed once.
_PACKING: Final = Lock()


@cache
def needs() -> tuple[str, ...]:
    """The packages that llmgen needs, by name; none where it has no metadata."""
    return tuple(_requirements("llmgen"))


def own() -> bytes:
    """The files of llmgen alone, for a Python that has what it needs."""
    with _PACKING:
        return _own()


def whole() -> bytes | None:
    """The same with every package that it needs; None where these do not list their files."""
    with _PACKING:
        return _whole()


@cache
def _own() -> bytes:
    return _packed(_own_files())


@cache
def _whole() -> bytes | None:
    found = dict(_own_files())
    waiting, seen = [*needs()], {"llmgen"}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            # One of another platform, or of another version of Python.
            continue
        if package.files is None:
            return None
        for file in package.files:
            path = Path(str(package.locate_file(file)))
            if ".." not in file.parts and file.suffix != ".pyc" and path.is_file():
                found[file.as_posix()] = path
        waiting += _requirements(name)
    return _packed(found.items()) if needs() else None


def _requirements(name: str) -> Iterator[str]:
    try:
        found = metadata.requires(name) or ()
    except metadata.PackageNotFoundError:
        return
    for requirement in found:
        named = re.match(r"[A-Za-z0-9._-]+", requirement)
        if named and not re.search(r";.*\bextra\b", requirement):
            yield re.sub(r"[-_.]+", "-", named[0]).lower()


def _own_files() -> Iterator[tuple[str, Path]]:
    package = Path(llmgen.__file__).parent
    for folder, below in ((package, "llmgen"), (templates_folder(), "llmgen/templates")):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield f"{below}/{path.relative_to(folder).as_posix()}", path


def _packed(files: Iterable[tuple[str, Path]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, path in files:
            archive.write(path, name)
    return packed.getvalue()
