"""``llmgen tool``: llama.cpp's tools on a model of llm.toml, on the host or in their image."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import library, read
from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.building.tool import Caller
    from llmgen.library import Library, Model


@command(
    short_help="run llama-bench and llama.cpp's other tools",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("name", required=False, metavar="[NAME]")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[ARG]...")
@click.option(
    "--model",
    metavar="MODEL",
    help="Its path is filled in: `--model PATH`, or in the place of {model}.",
)
@click.option(
    "--image/--host",
    "in_image",
    default=None,
    help="In the image, or on this machine; absent: where the stack runs.",
)
@click.option("--list", "listed", is_flag=True, help="Which tools there are.")
@click.option(
    "--copy", type=FileNameParam(), metavar="DIR", help="Copy the program out of its image."
)
@click.option("--dry-run", is_flag=True, help="Print the command, run nothing.")
def cli(
    session: Session,
    name: str | None,
    words: tuple[str, ...],
    model: str | None,
    copy: str | None,
    *,
    in_image: bool | None,
    listed: bool,
    dry_run: bool,
) -> Outcome:
    """Run one of llama.cpp's tools: `llmgen tool --model coder llama-bench -p 512`.

    Options of llmgen stand before the tool's name, its own behind. In the image models are below
    /models and read-only, and this folder is /work: what a tool writes lands here.
    """
    from llmgen.building.tool import in_image as inside
    from llmgen.building.tool import in_image_program, is_contained, on_host
    from llmgen.building.tool import words as filled

    found = library(read(session))
    contained = is_contained(found) if in_image is None else in_image
    if listed:
        return _list(found, contained=contained)
    if not name:
        raise click.UsageError("which tool? `llmgen tool --list` names them")
    tool = _known(name)
    if copy:
        return _copied(found, tool, copy, dry_run=dry_run)
    told = filled(tool, _model(found, model) if model else None, words)
    if contained:
        line = inside(found, in_image_program(tool), told, caller())
    else:
        line = on_host(found, tool, told)
    return started(line, dict(found.machine.environment), session, dry_run=dry_run)


def started(
    line: Sequence[str], environment: dict[str, str], session: Session, *, dry_run: bool
) -> Outcome:
    """The program in this terminal; its exit code is ours. With --json its output is data."""
    import subprocess

    if dry_run:
        return Outcome({"command": line}, text=shlex.join(line))
    try:
        done = subprocess.run(  # noqa: S603 - words, never a shell line
            list(line),
            env={**os.environ, **environment},
            check=False,
            stdout=subprocess.PIPE if session.json else None,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise InputError(
            Diagnostic(
                "tool.no-program",
                f"`{line[0]}` cannot be started: {error.strerror}",
                hint="`llmgen build` makes it; `--image` and `--host` say where it is looked for",
            )
        ) from error
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Outcome({"output": done.stdout or "", "code": code}, exit_code=code)


def _known(name: str) -> str:
    from difflib import get_close_matches

    from llmgen.building.recipe import PROGRAMS

    for known in (name, f"llama-{name}"):
        if known in PROGRAMS:
            return known
    near = get_close_matches(name, PROGRAMS, 1) or get_close_matches(f"llama-{name}", PROGRAMS, 1)
    hint = f"did you mean `{near[0]}`?" if near else "`llmgen tool --list` names them"
    raise click.UsageError(f"no tool is called `{name}`; {hint}")


def _model(found: Library, name: str) -> Model:
    known = {name: item for item in found.models for name in item.names}
    if name not in known:
        raise click.UsageError(f"no model is called `{name}`")
    if not known[name].is_llama:
        raise click.UsageError(f"`{name}` is no GGUF model, and llama.cpp's tools read no other")
    return known[name]


def caller() -> Caller:
    """Who asks, from where."""
    from llmgen.building.tool import Caller

    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return Caller(os.getuid(), os.getgid(), PurePosixPath(os.getcwd()), terminal)  # noqa: PTH109


def _list(found: Library, *, contained: bool) -> Outcome:
    from llmgen.building.image import tools_image
    from llmgen.building.recipe import PROGRAMS

    where = found.layout.llama_server.parent
    if contained:
        return Outcome(
            {"image": tools_image(found).reference, "tools": PROGRAMS},
            text="\n".join(PROGRAMS),
            said=f"in {tools_image(found).reference}",
        )
    there = {name: os.access(where / name, os.X_OK) for name in PROGRAMS}
    lines = [f"{name}{'' if here else '  (not there)'}" for name, here in there.items()]
    return Outcome({"folder": where, "tools": there}, text="\n".join(lines), said=f"in {where}")


def _copied(found: Library, tool: str, folder: str, *, dry_run: bool) -> Outcome:
    from llmgen.building.tool import copied
    from llmgen.operate.programs import must

    lines = [*copied(found, tool, folder, f"llmgen-copy-{os.getpid()}")]
    if dry_run:
        return Outcome({"commands": lines}, text="\n".join(map(shlex.join, lines)))
    create, copy, remove = lines
    must(create)
    try:
        must(copy)
    finally:
        must(remove)
    return Outcome({"file": f"{folder}/{tool}"}, said=f"copied to {folder}/{tool}")
