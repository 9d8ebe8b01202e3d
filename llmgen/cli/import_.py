"""``llmgen import``: other tools' files as an llm.toml, with what is wrong in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from llmgen.cli.boundary import Session, command
from llmgen.cli.options import FileName
from llmgen.cli.outcome import Outcome
from llmgen.cli.writing import create_file
from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.importing.machine import Devices
    from llmgen.importing.model import Part

# Ten times the largest configurations and documents that are about.
MOST_BYTES = 2**19


@command(reads_config=False, short_help="turn other tools' files into an llm.toml")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--ollama", is_flag=True, help="Every model of the local Ollama store.")
@click.option(
    "-o",
    "--output",
    type=FileName(),
    metavar="FILE",
    default="-",
    help="Where to write; absent: print it.",
)
@click.option("--profile", metavar="NAME", help="Hardware profile; absent: what is detected.")
def cli(
    session: Session, files: tuple[str, ...], output: str, profile: str | None, *, ollama: bool
) -> Outcome:
    """Read other tools' files, or documents that contain them.

    llama-swap, router presets, LiteLLM, compose files, systemd units, shell scripts, `.env`.
    Prints an llm.toml; what is wrong in the files, or has no place in llm.toml, is said on
    standard error.
    """
    from llmgen.importing.accepted import accepted
    from llmgen.importing.local import with_local
    from llmgen.importing.machine import with_devices
    from llmgen.importing.model import merged
    from llmgen.importing.names import apart, with_names
    from llmgen.importing.sniff import from_text
    from llmgen.importing.write import document

    del session
    if not files and not ollama:
        raise click.UsageError("name a file to import, or say --ollama")
    parts = [from_text(name, _read(name)) for name in files]
    every = [*parts, _store()] if ollama else parts
    named = with_names(with_local(merged(apart(every))))
    found, needs = with_devices(named)
    hardware, told = _hardware(profile, needs)
    # The programs of a file that is at home here are those that its shell would find.
    here = found if profile or told else _with_programs(found)
    part = accepted(here, hardware, home=str(Path.home()))
    notes = [item.hint for item in told]
    text = document(part, hardware, home=str(Path.home()), note="; ".join(notes))
    faults = (*part.faults, *told, *_refused(text))
    data = {"content": text, "faults": faults}
    if output == "-":
        return Outcome(data, text=text, diagnostics=faults)
    create_file(output, text)
    return Outcome(
        data, said=f"wrote {output}; then `llmgen lock` and `llmgen check`", diagnostics=faults
    )


def _with_programs(part: Part) -> Part:
    """The part with the places of programs that no file names."""
    import shutil

    from llmgen.importing.model import Part

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
    from llmgen.config.load import load
    from llmgen.config.source import parse
    from llmgen.errors import ConfigError
    from llmgen.importing.model import fault

    try:
        load([parse("llm.toml", text)])
    except ConfigError as error:
        for item in error.diagnostics:
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


def _hardware(profile: str | None, needs: Devices) -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    """[hardware]: this machine, the profile's, or one with the devices that the files name."""
    from llmgen.importing.elsewhere import enough, hardware_of

    if profile:
        completed, lacking = _completed(profile)
        least = replace(needs, count=max(needs.count, 1)) if lacking else needs
        return enough(completed, least)
    from llmgen.detect.model import hardware, profile_of
    from llmgen.detect.probe import look

    found = look()
    chosen = profile_of(found)
    here = len(found.devices) or (1 if found.backend == "metal" or found.unified else 0)
    if needs.count > here or (needs.backend and needs.backend != found.backend):
        return hardware_of(needs, here)
    if chosen:
        return {"profile": chosen, "memory": f"{found.memory_bytes // 2**20}MiB"}, ()
    return hardware(found), ()


def _completed(profile: str) -> tuple[dict[str, Any], bool]:
    """A profile with what it leaves to each machine: this one's; whether it still has no device."""
    from llmgen.detect.model import hardware
    from llmgen.detect.probe import look
    from llmgen.profiles import profiles

    known = profiles()
    if profile not in known:
        raise click.UsageError(f"`{profile}` is no profile; there are {', '.join(sorted(known))}")
    asked = {"memory", *(["devices"] if known[profile].get("backend") != "cpu" else [])}
    missing = asked - known[profile].keys()
    here = hardware(look()) if missing else {}
    found = {key: here[key] for key in sorted(missing) if here[key]}
    return {"profile": profile, **found}, "devices" in missing - found.keys()
