"""``llmgen shell``: a shell where the programs of the stack are."""

from __future__ import annotations

import os

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import library, read
from llmgen.cli.tool import caller, started


@command(
    short_help="a shell where the programs are",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")
@click.option("--service", metavar="NAME", help="In the running container of this service.")
@click.option(
    "--image/--host",
    "in_image",
    default=None,
    help="In the image, or on this machine; absent: where the stack runs.",
)
@click.option("--dry-run", is_flag=True, help="Print the command, run nothing.")
def cli(
    session: Session,
    words: tuple[str, ...],
    service: str | None,
    *,
    in_image: bool | None,
    dry_run: bool,
) -> Outcome:
    """Open a shell, or run a command, with llama.cpp's tools on PATH and the machine's environment.

    In the image models are below /models, read-only, and this folder is /work. With --service it is
    the container that runs.
    """
    from llmgen.building.tool import entered, is_contained
    from llmgen.building.tool import in_image as inside

    found = library(read(session))
    contained = is_contained(found) if in_image is None else in_image
    who = caller()
    if service:
        line = entered(found, service, words, who)
    elif contained:
        line = inside(found, words[0] if words else "/bin/bash", words[1:], who)
    else:
        line = words or (os.environ.get("SHELL") or "/bin/sh",)
    folder = found.layout.llama_server.parent
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**dict(found.machine.environment), "PATH": path}
    return started(line, environment, session, dry_run=dry_run)
