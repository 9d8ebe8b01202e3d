"""``llmgen import``: other tools' files as an llm.toml, with what is wrong in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.writing import create_file
from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.importing.hosts.stack import HostStack
    from llmgen.importing.parts import Part

# Ten times the largest configurations and documents that are about.
MOST_BYTES = 2**19


@command(reads_config=False, short_help="turn other tools' files into an llm.toml")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--ollama", is_flag=True, help="Every model of the local Ollama store.")
@click.option(
    "-o",
    "--output",
    type=FileNameParam(),
    metavar="FILE",
    default="-",
    help="Where to write; absent: print it.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    help="Hardware profile; absent: what is detected. Of one host: HOST=NAME.",
)
@click.option(
    "--host",
    "of_hosts",
    multiple=True,
    metavar="NAME=FILE",
    help="A file of this host of [hosts]; several times for several.",
)
def cli(
    session: Session,
    files: tuple[str, ...],
    of_hosts: tuple[str, ...],
    output: str,
    profiles: tuple[str, ...],
    *,
    ollama: bool,
) -> Outcome:
    """Read other tools' files, or documents that contain them.

    llama-swap, router presets, LiteLLM, compose files, systemd units, shell scripts, `.env`.
    Prints an llm.toml; what is wrong in the files, or has no place in llm.toml, is said on
    standard error.

    Files of llama-swap whose peers are each other are those of several machines: each becomes a
    host of [hosts], as do the files that --host names (`llmgen import studio.yaml box.yaml`).
    """
    from llmgen.importing.hosts.fleet import are_hosts

    del session
    if not files and not of_hosts and not ollama:
        raise click.UsageError("name a file to import, or say --ollama")
    stacks = [*_stacks(of_hosts), *(_stack(name) for name in files)]
    if are_hosts(stacks):
        if ollama:
            raise click.UsageError("the Ollama store is of one machine: import it alone")
        text, faults = _of_hosts(stacks, profiles)
    else:
        text, faults = _of_one(stacks, profiles, ollama=ollama)
    data = {"content": text, "faults": faults}
    if output == "-":
        return Outcome(data, text=text, diagnostics=faults)
    create_file(output, text)
    return Outcome(
        data, said=f"wrote {output}; then `llmgen lock` and `llmgen check`", diagnostics=faults
    )


def _of_one(
    stacks: Sequence[HostStack], profiles: Sequence[str], *, ollama: bool
) -> tuple[str, tuple[Diagnostic, ...]]:
    """The llm.toml of one machine, and what is to say of it."""
    from llmgen.cli.import_hardware import hardware_of_import, one_profile
    from llmgen.importing.acceptance import accepted
    from llmgen.importing.local import with_local
    from llmgen.importing.machine import with_devices
    from llmgen.importing.names import apart, with_names
    from llmgen.importing.parts import merged
    from llmgen.importing.write import document

    profile = one_profile(profiles)
    parts = [stack.part for stack in stacks]
    every = [*parts, _store()] if ollama else parts
    named = with_names(with_local(merged(apart(every))))
    found, needs = with_devices(named)
    hardware, told = hardware_of_import(profile, needs)
    # The programs of a file that is at home here are those that its shell would find.
    here = found if profile or told else _with_programs(found)
    part = accepted(here, hardware, home=str(Path.home()))
    notes = [item.hint for item in told]
    text = document(part, hardware, home=str(Path.home()), note="; ".join(notes))
    return text, (*part.faults, *told, *_refused(text))


def _of_hosts(
    stacks: Sequence[HostStack], profiles: Sequence[str]
) -> tuple[str, tuple[Diagnostic, ...]]:
    """The llm.toml of several machines, and what is to say of it."""
    from llmgen.cli.import_hardware import hardware_of_hosts, of_each
    from llmgen.importing.acceptance import accepted
    from llmgen.importing.hosts.fleet import from_hosts
    from llmgen.importing.names import with_names
    from llmgen.importing.write import document

    for stack in stacks:
        if not stack.is_swap and not stack.said:
            raise InputError(
                Diagnostic(
                    "import.no-host",
                    f"`{stack.files[0]}` is no llama-swap file, and nothing says whose it is",
                    hint=f"`--host NAME={stack.files[0]}`",
                )
            )
    found = with_names(from_hosts(stacks, hardware_of_hosts(profiles)))
    hosts = {path[1] for path in found.tables if path[0] == "hosts"}
    for name in of_each(profiles).keys() - hosts:
        raise click.UsageError(f"no host `{name}`; hosts are {', '.join(sorted(hosts))}")
    part = accepted(found, {}, home=str(Path.home()))
    text = document(part, {}, home=str(Path.home()))
    return text, (*part.faults, *_refused(text))


def _stack(name: str) -> HostStack:
    """One file; ``-`` is standard input."""
    from llmgen.importing.hosts.stack import HostStack
    from llmgen.importing.sniff import from_text, peers_in

    text = _read(name)
    part, peers = from_text(name, text), peers_in(text)
    return HostStack(part, peers or (), (name,), is_swap=peers is not None)


def _stacks(hosts: Sequence[str]) -> list[HostStack]:
    """The files that --host names, those of one host together."""
    from llmgen.importing.hosts.stack import host_name, together

    found: dict[str, list[HostStack]] = {}
    for item in hosts:
        name, equals, file = item.partition("=")
        if not equals or not file or host_name(name) != name:
            raise click.UsageError(f"`--host {item}` is not NAME=FILE, with a name like `box-2`")
        found.setdefault(name, []).append(_stack(file))
    return [together(name, stacks) for name, stacks in found.items()]


def _with_programs(part: Part) -> Part:
    """The part with the places of programs that no file names."""
    import shutil

    from llmgen.importing.parts import Part

    found = {
        key: place
        for key, name in (("llama_server", "llama-server"), ("llama_swap", "llama-swap"))
        if (place := shutil.which(name))
    }
    paths = {**found, **part.tables.get(("paths",), {})}
    tables = {**part.tables, ("paths",): paths} if paths else part.tables
    return Part(tables, part.faults)


def _refused(text: str) -> Iterator[Diagnostic]:
    """What a person has to put right in the imported text before `check` takes it."""
    from llmgen.importing.acceptance import mistakes
    from llmgen.importing.parts import fault

    for item in mistakes(text):
        yield fault("not-accepted", item.message, item.hint)


def _store() -> Part:
    from llmgen.facts.stores import find_stores, ollama_names
    from llmgen.importing.ollama import from_ollama

    stores = find_stores(Path.home())
    names = [*ollama_names(stores.ollama)]
    if not names:
        raise InputError(
            Diagnostic(
                "import.no-store",
                "there is no model of Ollama on this machine",
                hint="set OLLAMA_MODELS to the store's folder",
            )
        )
    return from_ollama(stores.ollama, names, Path.home())


def _read(name: str) -> str:
    try:
        if name == "-":
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(
            Diagnostic(
                "import.unreadable",
                f"`{name}` cannot be read: {error.strerror}",
                hint="name a file, or `-` for standard input",
            )
        ) from error
    if len(content) > MOST_BYTES:
        raise InputError(
            Diagnostic(
                "import.too-large",
                f"`{name}` has more than {MOST_BYTES // 1024} KiB, and is no configuration",
                hint="name the configuration file itself",
            )
        )
    return content.decode("utf-8-sig", "replace")
