"""``llmgen build``: llama.cpp for this machine, as images or as programs, by one recipe."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import Read, plan, read
from llmgen.errors import Diagnostic, InputError, Severity

if TYPE_CHECKING:
    from llmgen.building.images import Images
    from llmgen.building.logged_run import ProgressReport
    from llmgen.building.native import Native
    from llmgen.building.source import SourceArchive, ToldBytes


@command(short_help="build llama.cpp: images, or programs for this machine")
@click.option(
    "--images/--native",
    "as_images",
    default=None,
    help="Images, or programs for this machine; absent: as the stack runs.",
)
@click.option(
    "--source",
    type=FileNameParam(),
    metavar="PATH",
    help="Folder or archive of llama.cpp, or a URL; absent: `source` in llm.toml, else GitHub.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Compilers at a time; absent: as memory allows."
)
@click.option(
    "--prefix",
    type=FileNameParam(),
    metavar="DIR",
    help="Where programs go; absent: `prefix` in [paths].",
)
@click.option("--dry-run", is_flag=True, help="Print the commands, build nothing.")
@click.option("--remove", is_flag=True, help="Take away what was built for this machine.")
def cli(
    session: Session,
    source: str | None,
    jobs: int | None,
    prefix: str | None,
    *,
    as_images: bool | None,
    dry_run: bool,
    remove: bool,
) -> Outcome:
    """Compile llama.cpp at the build that llm.toml aims at, for its machine's GPUs.

    As images from the generated Containerfile (`build = true` in [containers]), or as programs
    below [paths] prefix. What was interrupted goes on where it stopped; nothing that is in use
    changes before all is compiled and runs. The source's digest is checked where llm.toml has one.
    """
    found = read(session)
    if jobs is not None:
        found = _with_jobs(found, jobs)
    wanted = _as_images(found) if as_images is None else as_images
    if wanted and not remove:
        return _images(found, source, dry_run=dry_run)
    return _native(found, source, prefix, dry_run=dry_run, remove=remove)


def _as_images(found: Read) -> bool:
    """What the stack runs from; InputError where that is pulled, so that nothing is built."""
    config = found.config
    if config.services.runtime != "native" and not config.containers.build:
        raise InputError(
            Diagnostic(
                "build.published",
                "this stack runs from published images, which are pulled",
                ("containers", "build"),
                hint="`build = true` in [containers], or `llmgen build --native`",
            )
        )
    return config.containers.build


def _with_jobs(found: Read, jobs: int) -> Read:
    from msgspec.structs import replace

    recipe = found.config.llama_cpp.recipe.model_copy(update={"jobs": jobs})
    llama = found.config.llama_cpp.model_copy(update={"recipe": recipe})
    return replace(found, config=found.config.model_copy(update={"llama_cpp": llama}))


def _native(
    found: Read, told: str | None, prefix: str | None, *, dry_run: bool, remove: bool
) -> Outcome:
    from llmgen.building import native

    wanted = _wanted(found, told, prefix, fetch=not (dry_run or remove))
    if remove:
        gone = native.remove(wanted)
        return Outcome({"removed": gone}, text="\n".join(map(str, gone)))
    lines = native.commands(wanted, wanted.source.path)
    if dry_run:
        return Outcome({"commands": lines}, text="\n".join(map(shlex.join, lines)))
    with _bar(f"llama.cpp b{wanted.build}") as watch:
        native.build(wanted, watch)
    data = {"folder": wanted.home, "programs": [*wanted.links], "digest": wanted.source.digest}
    said = f"installed in {wanted.home}, linked from {wanted.prefix / 'bin'}"
    return Outcome(data, said=said, diagnostics=_unpinned(found, wanted.source))


def _wanted(found: Read, told: str | None, prefix: str | None, *, fetch: bool) -> Native:
    """What is built for this machine; nothing is fetched for a dry run."""
    import psutil

    from llmgen.building import recipe
    from llmgen.building.native import Native
    from llmgen.config.editions import EDITIONS
    from llmgen.layout import layout
    from llmgen.machine import machine

    config = found.config
    build = config.llama_cpp.build or EDITIONS[config.edition].build
    host, table = machine(config.hardware, config.budget), config.llama_cpp.recipe
    gpus = recipe.architectures(table, host.architecture)
    free = psutil.virtual_memory().available
    return Native(
        source=_source(found, told, build, fetch=fetch),
        flags=recipe.flags(host.backend, build, table, gpus),
        programs=recipe.PROGRAMS,
        jobs=recipe.jobs(table, host.backend, os.cpu_count() or 1, free),
        name=f"b{build}-{host.backend}",
        build=build,
        prefix=Path(prefix or layout(config.paths, config.services.scope).prefix).expanduser(),
        work=_work(),
    )


def _source(found: Read, told: str | None, build: int, *, fetch: bool) -> SourceArchive:
    from llmgen.building.source import SourceArchive, obtained
    from llmgen.targets.containerfile import source_url

    table = found.config.llama_cpp.recipe
    name = told or table.source or source_url(build)
    if not fetch:
        return SourceArchive(Path(name))
    # Another source than llm.toml's has another digest.
    digest = (table.digest or "") if told is None else ""
    with _bytes(f"source of b{build}") as watch:
        return obtained(name, digest, _work() / "sources", watch)


def _images(found: Read, told: str | None, *, dry_run: bool) -> Outcome:
    from llmgen.building import images

    wanted = _wanted_images(found)
    lines = images.commands(wanted)
    if dry_run:
        return Outcome({"commands": lines}, text="\n".join(map(shlex.join, lines)))
    table = found.config.llama_cpp.recipe
    # Without one the Containerfile downloads its own, which needs no place on this machine.
    name = told or (table.source if not (table.source or "").startswith("http") else None)
    source = _source(found, told, 0, fetch=True) if name else None
    if source is not None:
        # What is packed for the build was checked; its bytes are another archive's.
        wanted = _without_digest(wanted)
    with _bar("images of llama.cpp") as watch:
        images.build(wanted, source, watch)
    tags = [tag for _, tag in wanted.stages]
    return Outcome({"images": tags}, text="\n".join(tags), diagnostics=_unpinned(found, source))


def _wanted_images(found: Read) -> Images:
    from msgspec.structs import replace

    from llmgen.building.image import image_of
    from llmgen.building.images import Images
    from llmgen.engines.loaders import LLAMA_SWAP, loader_of
    from llmgen.render.environment import make_render
    from llmgen.targets import containerfile

    placed = plan(found)
    library = placed.library
    config = library.config.model_copy(
        update={"containers": library.config.containers.model_copy(update={"build": True})}
    )
    library = replace(library, config=config)
    server, swap = image_of(library, "llama_server"), image_of(library, "llama_swap")
    stages = [("server", server.reference)] if server.built else []
    if swap.built and loader_of(config.services) is LLAMA_SWAP:
        stages.append(("swap", swap.reference))
    if not stages:
        raise InputError(
            Diagnostic(
                "build.named",
                "both images of llama.cpp are named in llm.toml, so that none is built",
                ("containers", "image"),
                hint="leave `image` and `llama_swap_image` out of [containers]",
            )
        )
    return Images(
        program=config.containers.program,
        files=tuple(containerfile.artifacts(placed, make_render())),
        archive=f"{containerfile.SOURCES}/{containerfile.LLAMA_ARCHIVE}",
        stages=tuple(stages),
        arguments=(),
        work=_work(),
    )


def _without_digest(wanted: Images) -> Images:
    from msgspec.structs import replace

    return replace(wanted, arguments=(*wanted.arguments, ("LLAMA_CPP_SHA256", "")))


def _unpinned(found: Read, source: SourceArchive | None) -> tuple[Diagnostic, ...]:
    """A note where nobody could tell another source from this one."""
    if found.config.llama_cpp.recipe.digest or source is None or not source.digest:
        return ()
    return (
        Diagnostic(
            "build.unpinned",
            f"the source was taken as it came: its SHA-256 is {source.digest}",
            ("llama_cpp", "recipe", "digest"),
            hint="as `digest` in [llama_cpp.recipe] it is checked the next time",
            severity=Severity.NOTE,
        ),
    )


def _work() -> Path:
    """Where sources and half-done builds are kept between two runs."""
    from platformdirs import user_cache_path

    return user_cache_path("llmgen") / "build"


@contextmanager
def _bar(what: str) -> Iterator[ProgressReport]:
    """A bar on a terminal, silence elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _all, _line: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total, _line: bars.update(task, completed=done, total=total)


@contextmanager
def _bytes(what: str) -> Iterator[ToldBytes]:
    """The same for a download."""
    with _bar(what) as watch:
        yield lambda done, size: watch(done, size, "")
