"""``llmgen models``: list, scan, add, rm, gc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.model_files import gc, models_folder, verify
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import LOCK, Read, read, read_whole
from llmgen.cli.references import source_keys
from llmgen.cli.writing import edit_config
from llmgen.errors import ConfigError, Diagnostic, InputError, Severity
from llmgen.facts.card import in_words
from llmgen.units import show_count, show_parameters, show_size

if TYPE_CHECKING:
    from llmgen.config.config import Config
    from llmgen.facts.gguf_facts import ModelRef
    from llmgen.facts.lock_model import Lock
    from llmgen.models.inventory import ListedModel


@click.group(short_help="list, scan, add and remove models of llm.toml")
def cli() -> None:
    """Look after the models of llm.toml and the files on disk."""


def _list(session: Session, pattern: str, *, names: bool, cards: bool) -> Outcome:
    """List the models of llm.toml, those whose name contains PATTERN.

    Size, parameters, quantisation and trained context are known once `llmgen lock` has read them;
    --cards has experts, licence, embedding dimensions, scores and notes, too.
    """
    from llmgen.models.inventory import listed

    found = read_whole(session)
    rows = [
        item
        for item in listed(found.config, _lock(found).facts)
        if any(pattern.lower() in name.lower() for name in (item.name, *item.names))
    ]
    if cards:
        return Outcome({"models": rows}, text="\n".join(_cards(rows)))
    return Outcome({"models": rows}, text=lambda: _show(rows, names=names))


@on_hosts(ShownRows("found", ("ref", "size", "path")))
def _scan(session: Session, folders: tuple[str, ...]) -> Outcome:
    """Find model files in the models folder, Ollama, LM Studio and the caches of others.

    With FOLDERs, in these instead.

    What llm.toml already names is marked; add the others with `llmgen models add REFERENCE`.
    """
    from llmgen.facts.stores import Stores, find_stores, scan
    from llmgen.resolve.references import references

    found = read(session)
    known = references(found.config)
    if folders:
        seen = list(scan(Stores(), others=[_there(name) for name in folders]))
    else:
        seen = list(scan(find_stores(Path.home()), models_folder(found.config)))
    paths = {*_paths(known, models_folder(found.config))}
    named = [item.ref in known or item.path in paths for item in seen]
    rows = [
        {"ref": item.ref, "path": str(item.path), "size": item.size_bytes, "named": is_named}
        for item, is_named in zip(seen, named, strict=True)
    ]
    text = "\n".join(
        f"{'*' if is_named else ' '} {show_size(item.size_bytes):>9}  {item.ref}"
        for item, is_named in zip(seen, named, strict=True)
    )
    return Outcome(
        {"found": rows}, text=text, said="* is in llm.toml" if rows else "no model files"
    )


def _there(name: str) -> Path:
    path = Path(name).absolute()
    if not path.is_dir():
        raise InputError(
            Diagnostic(
                "models.no-folder", f"`{name}` is no folder", hint="name one with model files in it"
            )
        )
    return path


def _paths(known: Iterable[ModelRef], folder: Path) -> Iterator[Path]:
    """Where the files lie that llm.toml names."""
    for kind, _, name in (ref.partition(":") for ref in known):
        if kind == "file":
            yield folder / Path(name).expanduser()


def _add(session: Session, reference: str, *, name: str | None, **keys: Any) -> Outcome:  # noqa: ANN401
    """Add a model to llm.toml: a file, ORG/REPO[:QUANT] of the Hub, or ollama:NAME.

    The table is written at the end of the file; everything else stays as it is. The role of a file
    that is here is its header's. Nothing is downloaded: `llmgen lock` reads the facts, `llmgen
    pull` fetches the files.
    """
    from llmgen.config.edit import append_table
    from llmgen.models.inventory import name_for
    from llmgen.resolve.names import claims

    found = read_whole(session)
    source, title = source_keys(reference)
    diagnostics: tuple[Diagnostic, ...] = ()
    if "model" in source:
        source, diagnostics = _file(source["model"], models_folder(found.config))
    _require_new(found.config, source, name)
    taken = {claim for claim, _ in claims(found.config)} | {*found.config.models}
    chosen = name or name_for(title, taken)
    keys["role"] = keys["role"] or _role(found, source)
    table = {**source, **{key: value for key, value in keys.items() if value}}
    text = append_table(found.sources[0].text, ("models", chosen), table)
    edit_config(found, text)
    return Outcome(
        {"name": chosen, "table": table},
        said=f"added [models.{chosen}]; now `llmgen lock`",
        diagnostics=diagnostics,
    )


def _file(text: str, folder: Path) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """The ``model`` key of a file, named from the models folder or from this one."""
    if ".." not in Path(text).parts and (folder / Path(text).expanduser()).exists():
        return {"model": text}, ()
    here = Path(os.path.abspath(text))  # noqa: PTH100 - links stay as they are
    if here.exists():
        inside = here.relative_to(folder) if here.is_relative_to(folder) else here
        return {"model": inside.as_posix()}, ()
    absent = Diagnostic(
        "models.no-file",
        f"there is no `{text}` below `{folder}` yet",
        hint="put it there before `llmgen lock`",
        severity=Severity.WARNING,
    )
    return {"model": text}, (absent,)


def _role(found: Read, source: dict[str, str]) -> str:
    """What a file that is here is for, where that is not chat; `llmgen lock` says what is wrong."""
    from llmgen.cli.lock import sources
    from llmgen.config.tables.models import ModelTable
    from llmgen.facts.sources import read_gguf
    from llmgen.resolve.references import model_ref
    from llmgen.resolve.role import made_for

    if "hf_repo" in source:
        return ""
    ref = model_ref(ModelTable.model_validate(source))
    try:
        role = made_for(read_gguf(ref, sources(found, None)))
    except InputError:
        return ""
    return "" if role == "chat" else role


def _require_new(config: Config, source: dict[str, str], name: str | None) -> None:
    from llmgen.config.tables.models import ModelTable
    from llmgen.resolve.references import model_ref, references

    ref = model_ref(ModelTable.model_validate(source))
    there = next((key for item, (_, key, *_) in references(config).items() if item == ref), None)
    if there and not name:
        raise click.UsageError(f"[models.{there}] is that model; `--name` adds it once more")


def _rm(session: Session, names: tuple[str, ...], *, match: str | None) -> Outcome:
    """Remove models from llm.toml, comments and order of the rest kept; no file is deleted.

    A model that other keys name is not removed. `--match` takes a pattern such as `qwen*`.
    """
    from llmgen.config.edit import remove_table
    from llmgen.models.inventory import users_of

    found = read_whole(session)
    chosen = [*names, *(item for item in found.config.models if match and fnmatchcase(item, match))]
    text = found.sources[0].text
    for name in dict.fromkeys(chosen):
        used = users_of(found.config, name)
        if used:
            raise found.located(
                ConfigError(
                    Diagnostic("models.in-use", f"`{name}` is still named here", used[0],
                               hint="remove that first")
                )
            )  # fmt: skip
        try:
            text = remove_table(text, ("models", name))
        except KeyError:
            raise click.UsageError(
                f"{found.sources[0].name} has no table [models.{name}]"
            ) from None
    if not chosen:
        raise click.UsageError("no model is named" if not match else f"no model matches `{match}`")
    edit_config(found, text)
    return Outcome(
        {"removed": chosen},
        said=f"removed {', '.join(chosen)}; files stay (`models gc`)",
        diagnostics=tuple(_coming_again(found, chosen)),
    )


def _coming_again(found: Read, names: Iterable[str]) -> Iterator[Diagnostic]:
    """What the next sync would add again."""
    from llmgen.sync.marks import marked
    from llmgen.sync.rules import pattern_of

    own = marked(found.sources[0]) if found.config.sync is not None else {}
    for name in names:
        if name in own:
            keys = own[name].keys
            file = keys.get("ollama") or Path(str(keys.get("model") or keys.get("lm_studio"))).name
            yield Diagnostic(
                "models.of-sync",
                f"`{name}` was added by `llmgen sync`, which adds it again while its file is there",
                hint=f"`exclude = {pattern_of(file)}` in [sync] keeps it out",
                severity=Severity.NOTE,
            )


def _lock(found: Read) -> Lock:
    from llmgen.facts.lock import read_lock

    return read_lock(found.folder / LOCK)


def _cards(rows: list[ListedModel]) -> Iterator[str]:
    """What is known of each model, in lines for people."""
    from llmgen.cli.drawing import paragraph

    for number, row in enumerate(rows):
        if number:
            yield ""
        yield f"{row.name}: {row.title}" if row.title else row.name
        known = in_words(row.card, embeds=row.role == "embedding", scores=row.scores)
        for text in (row.description, *known, *row.notes):
            if text:
                yield paragraph(f"  {text}", hang=2)


def _context(asked: int | str | None) -> str:
    return show_count(asked) if isinstance(asked, int) else asked or "-"


def _show(rows: list[ListedModel], *, names: bool) -> None:
    from llmgen.cli.drawing import echo, table_of

    if names:
        table = table_of("model", "also answers to")
        for row in rows:
            table.add_row(row.name, ", ".join(row.names) or "-")
    else:
        columns = (">size", ">parameters", ">active", ">context", ">trained for", "from")
        table = table_of("model", "role", "quant", *columns)
        for row in rows:
            table.add_row(
                row.name if row.enabled else f"({row.name})",
                row.role,
                row.quant or "-",
                show_size(row.size_bytes) if row.size_bytes else "-",
                show_parameters(row.card.parameters) if row.card.parameters else "-",
                show_parameters(row.card.active) if row.card.experts else "-",
                _context(row.ctx_size),
                show_count(row.trained_context) if row.trained_context else "-",
                row.ref,
            )
    echo(table)


def _subcommands() -> Iterator[click.Command]:
    pattern = click.argument("pattern", default="")
    cards = click.option("--cards", is_flag=True, help="What is known of each, in lines.")
    yield _made(
        "list", pattern(click.option("--names", is_flag=True, help="All names.")(cards(_list)))
    )
    folders = click.argument("folders", nargs=-1, metavar="[FOLDER]…")
    yield _made("scan", folders(_scan))
    add = click.argument("reference")(_add)
    for option in (
        click.option(
            "--alias", "aliases", multiple=True, metavar="NAME", help="Another name for it."
        ),
        click.option("--ctx-size", metavar="TOKENS", help="Context, such as 64K or max."),
        click.option("--role", help="chat, completion, embedding, rerank or vision."),
        click.option("--name", metavar="NAME", help="Its name; absent: from the file's name."),
    ):
        add = option(add)
    yield _made("add", add)
    match = click.option("--match", metavar="PATTERN", help="Every model of this pattern.")
    yield _made("rm", click.argument("names", nargs=-1)(match(_rm)))
    delete = click.option("--delete", is_flag=True, help="Delete what llmgen downloaded.")
    yield _made("gc", delete(gc))
    models = click.argument("models", nargs=-1, metavar="[MODEL]…")
    quick = click.option("--quick", is_flag=True, help="Sizes and headers; no digests of weights.")
    yield _made("verify", models(quick(verify)))


def _made(name: str, function: Any) -> click.Command:  # noqa: ANN401 - click's decorators
    return command(name=name, short_help=(function.__doc__ or "").split("\n")[0])(function)


for made in _subcommands():
    cli.add_command(made)
