"""llama.cpp's source: a folder, an archive or an address, with a digest that is checked."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from msgspec import Struct

from llmgen.apply.failure import cannot_write
from llmgen.errors import Diagnostic, InputError
from llmgen.web.client import asking
from llmgen.web.limits import SOURCE

# Done and expected bytes; 0 is not known.
ToldBytes: TypeAlias = Callable[[int, int], None]
_CHUNK: Final = 1 << 20
# What no other tree has at these places.
_MARKS: Final = ("CMakeLists.txt", "ggml/CMakeLists.txt", "tools/server")
_HERE: Final = "`--source` takes an archive or a folder that is here already"


class SourceArchive(Struct, frozen=True):
    """An archive with its SHA-256, or a folder, which has none.

    ``has_history``: the build number is counted in it, not told.
    """

    path: Path
    digest: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it is unpacked already."""
        return self.path.is_dir()

    @property
    def has_history(self) -> bool:
        """Whether it is a checkout, whose commits are counted."""
        return (self.path / ".git").exists()

    @property
    def identity(self) -> str:
        """What tells it from another source."""
        return self.digest or str(self.path.resolve())


def obtained(told: str, digest: str, cache: Path, watch: ToldBytes) -> SourceArchive:
    """The source that ``told`` names; an address is downloaded into ``cache`` once.

    Raises InputError when it is not there, is no llama.cpp, or has another digest.
    """
    digest = digest.removeprefix("sha256:")
    path = _downloaded(told, digest, cache, watch) if _is_address(told) else Path(told).expanduser()
    if path.is_dir():
        if digest:
            raise InputError(_no_digest(path))
        return SourceArchive(_root(path))
    if not path.is_file():
        raise InputError(
            Diagnostic(
                "build.no-source",
                f"there is no `{path}`",
                ("llama_cpp", "recipe", "source"),
                hint="`--source` takes a folder or an archive of llama.cpp, or the URL of one",
            )
        )
    found = _sha256(path)
    if digest and found != digest:
        raise InputError(
            Diagnostic(
                "build.other-source",
                f"`{path}` is not what llm.toml expects: its SHA-256 is {found}",
                ("llama_cpp", "recipe", "digest"),
                hint="find out why; if it is right, write that as `digest` in [llama_cpp.recipe]",
            )
        )
    return SourceArchive(path, found)


def unpacked(source: SourceArchive, folder: Path) -> Path:
    """The folder with llama.cpp's CMakeLists.txt; an archive is unpacked once, whole or not."""
    if source.is_folder:
        return source.path
    done = folder / "unpacked"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            with tarfile.open(source.path) as archive:
                archive.extractall(folder / "source", filter="data")
        except (tarfile.TarError, EOFError, UnicodeError) as error:
            raise InputError(
                Diagnostic(
                    "build.no-archive",
                    f"`{source.path}` is no archive that can be unpacked: {error}",
                    hint="a tar archive of llama.cpp, plain or compressed",
                )
            ) from error
        except OSError as error:
            raise InputError(cannot_write(folder, error)) from error
        done.touch()
    return _root(folder / "source")


def packed(source: SourceArchive, folder: Path, archive: Path) -> None:
    """Write an archive whose only folder is llama.cpp, as the Containerfile takes it."""
    root = unpacked(source, folder)
    if not source.is_folder and root.parent == folder / "source":
        archive.unlink(missing_ok=True)
        shutil.copyfile(source.path, archive)
        return
    new = archive.with_name(f"{archive.name}.new")
    # A checkout's history is no source, and is the larger part.
    with tarfile.open(new, "w:gz", compresslevel=1) as out:
        out.add(root, "llama.cpp", filter=lambda item: None if "/.git" in item.name else item)
    os.replace(new, archive)  # noqa: PTH105 - one call, atomic


def _is_address(text: str) -> bool:
    return text.startswith(("https://", "http://"))


def _root(folder: Path) -> Path:
    """The folder itself or one of the two levels below it."""
    for found in (folder, *sorted(folder.glob("*")), *sorted(folder.glob("*/*"))):
        if all((found / mark).exists() for mark in _MARKS):
            return found
    raise InputError(
        Diagnostic(
            "build.not-llama-cpp",
            f"`{folder}` is no source of llama.cpp: it has no {', '.join(_MARKS)}",
            ("llama_cpp", "recipe", "source"),
            hint="unpack a release's source there, or name its archive",
        )
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _downloaded(url: str, digest: str, cache: Path, watch: ToldBytes) -> Path:
    """The archive of an address; one that was told its digest, or came whole, stays."""
    import httpx  # noqa: PLC0415 - costs more than most commands take

    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    path, part = cache / f"{name}.tar.gz", cache / f"{name}.part"
    if path.exists() and (not digest or _sha256(path) == digest):
        return path
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (
            asking(url, SOURCE, {}, outside=True, hint=_HERE) as (client, _),
            client.stream("GET", url) as answer,
            part.open("wb") as file,
        ):
            answer.raise_for_status()
            size, done = int(answer.headers.get("content-length", 0)), 0
            for piece in answer.iter_raw(_CHUNK):
                file.write(piece)
                done += len(piece)
                watch(done, size)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InputError(
            Diagnostic(
                "build.no-download",
                f"`{url}` cannot be downloaded: {str(error) or type(error).__name__}",
                hint=_HERE,
            )
        ) from error
    except OSError as error:
        raise InputError(cannot_write(part, error)) from error
    part.replace(path)
    return path


def _no_digest(path: Path) -> Diagnostic:
    return Diagnostic(
        "build.folder-with-digest",
        f"`{path}` is a folder, and `digest` is that of an archive",
        ("llama_cpp", "recipe", "digest"),
        hint="name the archive as `source`, or leave `digest` out",
    )
