"""llama.cpp on this machine: compiled by the recipe, and then put in place in one step."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from llmgen.apply.failure import cannot_write
from llmgen.building.commands import compiling, configure
from llmgen.building.logged_run import ProgressReport, streamed
from llmgen.building.recipe import Flag
from llmgen.building.source import SourceArchive, unpacked
from llmgen.errors import Diagnostic, InputError, OwnershipError

# Below the prefix: one folder for each build, and links to one of them in `bin`.
FOLDER: Final = "llama.cpp"
_LIBRARIES: Final = ("*.so", "*.so.*", "*.dylib", "*.metallib")
_VERSION: Final = re.compile(r"version: (\d+)")


class Native(Struct, frozen=True):
    """What is built and where it goes; ``name`` is that of its folder (``b11434-cuda``)."""

    source: SourceArchive
    flags: tuple[Flag, ...]
    programs: tuple[str, ...]
    jobs: int
    name: str
    build: int
    prefix: Path
    work: Path

    @property
    def own(self) -> tuple[Flag, ...]:
        """The flags; a checkout counts its build number itself."""
        counted = self.source.has_history
        return tuple(
            flag for flag in self.flags if not (counted and flag.name == "LLAMA_BUILD_NUMBER")
        )

    @property
    def folder(self) -> Path:
        """Where it is compiled: another source or another flag is another folder."""
        words = "\n".join((self.source.identity, *(flag.word for flag in self.own)))
        return self.work / f"{self.name}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"

    @property
    def log(self) -> Path:
        """What was said while it was compiled."""
        return self.folder / "build.log"

    @property
    def home(self) -> Path:
        """Where programs and libraries are at the end."""
        return self.prefix / FOLDER / self.name

    @property
    def links(self) -> dict[Path, Path]:
        """Each link in `bin`, and where it leads."""
        there = Path("..") / FOLDER / self.name
        return {self.prefix / "bin" / name: there / name for name in self.programs}


def commands(native: Native, root: Path) -> list[list[str]]:
    """Both commands, for `--dry-run` and for those who run them themselves."""
    generator = "Ninja" if shutil.which("ninja") else "Unix Makefiles"
    made = native.folder / "build"
    return [
        configure(root, made, generator, native.own),
        compiling(made, native.programs, native.jobs),
    ]


def build(native: Native, told: ProgressReport) -> None:
    """Compile and install; until everything is compiled and runs, nothing below prefix changes.

    What was interrupted goes on where it stopped. Raises OwnershipError when a program in `bin`
    is not ours, InputError when something fails.
    """
    refuse_foreign(native)
    try:
        native.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(cannot_write(native.folder, error)) from error
    with _alone(native):
        root = unpacked(native.source, native.folder / "tree")
        for words in commands(native, root):
            streamed(words, native.log, told)
        install(native)


def install(native: Native) -> None:
    """Put what is compiled into the prefix: a new folder beside the old one, then the links."""
    made = native.folder / "build" / "bin"
    new = native.home.with_name(f".{native.name}.new")
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        for path in _files(made, native.programs):
            shutil.copy2(path, new / path.name, follow_symlinks=False)
        _refuse_other(native, new)
        _swap(new, native.home)
        for link, target in native.links.items():
            link.parent.mkdir(parents=True, exist_ok=True)
            fresh = link.with_name(f".{link.name}.new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(target)
            fresh.replace(link)
    except OSError as error:
        raise InputError(cannot_write(new, error)) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def remove(native: Native) -> tuple[Path, ...]:
    """Take away every build below the prefix and the links that lead to them; what was there."""
    home, found = native.prefix / FOLDER, []
    for link in sorted((native.prefix / "bin").glob("llama-*")):
        if _is_ours(link, native.prefix):
            link.unlink()
            found.append(link)
    if home.is_dir():
        shutil.rmtree(home)
        found.append(home)
    return tuple(found)


def refuse_foreign(native: Native) -> None:
    """OwnershipError when a program in `bin` is none of our links."""
    there = (link for link in native.links if os.path.lexists(link))
    foreign = [link for link in there if not _is_ours(link, native.prefix)]
    if foreign:
        raise OwnershipError(
            [
                Diagnostic(
                    "build.foreign",
                    f"`{link}` is there already, and `llmgen build` did not put it there",
                    ("paths", "prefix"),
                    hint="move it away, or set another `prefix` in [paths]",
                )
                for link in foreign
            ]
        )


def _is_ours(link: Path, prefix: Path) -> bool:
    """Whether it leads to a folder of builds."""
    if not link.is_symlink():
        return False
    return Path(os.path.normpath(link.parent / link.readlink())).is_relative_to(prefix / FOLDER)


def _files(made: Path, programs: Sequence[str]) -> Iterator[Path]:
    yield from (made / name for name in programs)
    for pattern in _LIBRARIES:
        yield from sorted(made.glob(pattern))


def _swap(new: Path, home: Path) -> None:
    """The new folder in the place of the old one; who runs from that keeps its files."""
    old = home.with_name(f".{home.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if home.exists():
        home.rename(old)
    new.rename(home)
    shutil.rmtree(old, ignore_errors=True)


def _refuse_other(native: Native, folder: Path) -> None:
    """InputError when the server does not start, or is of another build than llm.toml aims at."""
    server = folder / native.programs[0]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [server, "--version"], capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise InputError(_does_not_run(server, str(error.strerror))) from error
    said = done.stdout + done.stderr
    found = _VERSION.search(said)
    if done.returncode or not found:
        raise InputError(
            _does_not_run(server, said.strip().splitlines()[-1] if said else "silence")
        )
    if int(found[1]) != native.build:
        raise InputError(
            Diagnostic(
                "build.other-version",
                f"the source is of build {found[1]}, and llm.toml aims at {native.build}",
                ("llama_cpp", "build"),
                hint=f"`build = {found[1]}` in [llama_cpp], or the source of b{native.build}",
            )
        )


def _does_not_run(server: Path, why: str) -> Diagnostic:
    return Diagnostic(
        "build.does-not-run",
        f"`{server.name}` was compiled and does not run: {why}",
        hint="a library is missing, or the source was changed while it was compiled: try it again",
    )


@contextmanager
def _alone(native: Native) -> Iterator[None]:
    """InputError while another llmgen compiles the same."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - only who builds needs it

    try:
        with FileLock(native.folder / "build.lock", timeout=0):
            yield
    except Timeout:
        raise InputError(
            Diagnostic(
                "build.running",
                f"another `llmgen build` is compiling {native.name}",
                hint="wait for it, or end it",
            )
        ) from None
