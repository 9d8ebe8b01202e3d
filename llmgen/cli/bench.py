"""``llmgen bench``: measure models of the plan; one JSON line for each result."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmgen.bench.command_line import command_line
from llmgen.bench.comparison import SpeedPair, compare, figures
from llmgen.bench.recipes import RECIPES, BenchRecipe, connections, results
from llmgen.cli.asking import key_of_url
from llmgen.cli.boundary import Session, command
from llmgen.cli.options import FileNameParam
from llmgen.cli.others import refuse_others
from llmgen.cli.outcome import Outcome, plain
from llmgen.cli.pipeline import plan, read
from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.plan.plan import Placement, Plan

RESULTS = "bench.jsonl"
# llama-batched-bench b11434 writes from a thread, and can end before its last lines are out, the
# more so on a busy machine.
TRIES = 8
# The key of a result line, by the program that measured.
KEYS = {"llama-bench": "llama_bench", "llama-batched-bench": "llama_batched_bench"}


@command(short_help="measure the models of the plan")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--recipe", type=click.Choice(list(RECIPES)), default="single", help="What to measure."
)
@click.option(
    "--http", metavar="URL", help="Measure a running endpoint (http://127.0.0.1:8080/v1)."
)
@click.option(
    "--programs",
    metavar="DIR",
    help="Where llama-bench and llama-batched-bench are; absent: beside llama-server, or in the "
    "image.",
)
@click.option(
    "-o",
    "--output",
    type=FileNameParam(),
    metavar="FILE",
    help=f"Where lines are added; absent: {RESULTS}.",
)
@click.option("--dry-run", is_flag=True, help="Print the command lines, run nothing.")
@click.option(
    "--compare",
    nargs=2,
    type=FileNameParam(),
    metavar="BEFORE AFTER",
    help="Compare two files of results, measure nothing.",
)
def cli(
    session: Session,
    models: tuple[str, ...],
    recipe: str,
    http: str | None,
    programs: str | None,
    *,
    output: str | None,
    dry_run: bool,
    compare: tuple[str, str] | None,
) -> Outcome:
    """Measure models with llama-bench, or a running endpoint over HTTP, under the plan's settings.

    Recipes: single; depth (to the end of the planned context); batched (up to the slots, with
    llama-batched-bench); stress (the end of the context alone). Each result is a JSON line with the
    plan's digest, so that figures stay with what was measured.
    """
    from llmgen.apply.files import refuse_unwritable
    from llmgen.plan.proof import digest

    if compare:
        return _compared(*compare)
    found = read(session)
    placed = plan(found)
    if not http:
        why = "llama-bench runs GGUF models alone; try `--http URL`"
        refuse_others(placed.library.models, models, why)
    what = RECIPES[recipe]
    chosen = _chosen(placed, models, what)
    folder = programs or str(placed.library.layout.llama_server.parent)
    lines = [(item, command_line(item, placed.library, what, folder)) for item in chosen]
    if not programs and placed.library.config.services.runtime != "native":
        lines = [(item, _in_image(placed, words)) for item, words in lines]
    if dry_run:
        text = "\n".join(shlex.join(words) for _, words in lines)
        return Outcome({"commands": [words for _, words in lines]}, text=text)
    key = key_of_url(found, placed, http) if http else ""
    measure = _over_http(chosen, what, http, key) if http else _by_program(lines, what)
    path = Path(output) if output else found.folder / RESULTS
    # Before hours of measuring; and each result is kept when it is there, whatever comes after.
    refuse_unwritable([path])
    rows = []
    for row in measure:
        rows.append({"plan": digest(placed), "recipe": recipe, **row})
        _append(path, rows[-1])
    return Outcome({"results": rows, "file": str(path)}, text=_text(rows), said=f"added to {path}")


def _in_image(placed: Plan, words: Sequence[str]) -> tuple[str, ...]:
    """The same command in the image of the stack's tools."""
    from msgspec.structs import replace

    from llmgen.building.tool import in_image, in_image_program
    from llmgen.cli.tool import caller

    program = in_image_program(Path(words[0]).name)
    return in_image(placed.library, program, words[1:], replace(caller(), terminal=False))


def _chosen(placed: Plan, names: tuple[str, ...], what: BenchRecipe) -> list[Placement]:
    known = {name: item for item in placed.placements for name in item.model.names}
    for name in names:
        if name not in known:
            raise click.UsageError(f"no model is called `{name}`")
        if not _measures(what, known[name]):
            raise click.UsageError(
                f"`{name}` generates nothing, and `{what.name}` measures answers; `single` does not"
            )
    chosen = [known[name] for name in names]
    mine = (item for item in placed.placements if item.model.is_llama)
    return chosen or [item for item in mine if _measures(what, item)]


def _measures(what: BenchRecipe, item: Placement) -> bool:
    """llama-batched-bench has no form for models that generate nothing."""
    return what.program == "llama-bench" or not item.settings.embedding


def _by_program(
    lines: Sequence[tuple[Placement, tuple[str, ...]]], what: BenchRecipe
) -> Iterator[dict[str, Any]]:
    for item, words in lines:
        found: list[dict[str, Any]] = []
        for _ in range(TRIES):
            found = _results(item, words, what)
            if len(found) >= results(item, what):
                break
        else:
            raise InputError(
                Diagnostic(
                    "bench.incomplete",
                    f"{what.program} ended well on `{item.name}` and lost results {TRIES} times",
                    hint=f"try it: {shlex.join(words)}",
                )
            )
        yield from ({"model": item.name, KEYS[what.program]: row} for row in found)


def _results(item: Placement, words: Sequence[str], what: BenchRecipe) -> list[dict[str, Any]]:
    """What one run printed."""
    try:
        done = subprocess.run(  # noqa: S603
            words,
            capture_output=True,
            text=True,
            errors="replace",
            # Devices are numbered by the server's own environment.
            env={**os.environ, **dict(item.environment)},
            check=False,
        )
    except OSError as error:
        raise InputError(
            Diagnostic(
                "bench.no-program",
                f"`{words[0]}` cannot be run: {error.strerror}",
                hint="`--programs DIR`, or `--http URL` for a running server",
            )
        ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(
            Diagnostic(
                "bench.failed",
                f"{what.program} failed on `{item.name}`: {last}",
                hint=f"try it: {shlex.join(words)}",
            )
        )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _over_http(
    chosen: list[Placement], what: BenchRecipe, url: str, key: str
) -> Iterator[dict[str, Any]]:
    from llmgen.bench.http import load

    for item in chosen:
        for count in connections(item, what):
            round_ = load(
                url.rstrip("/"),
                item.name,
                prompt_tokens=what.prompts[0],
                answer_tokens=what.answers[0],
                connections=count,
                key=key,
            )
            yield {
                "model": item.name,
                "connections": count,
                "seconds": round(round_.seconds, 3),
                "tokens_per_second": round(round_.tokens_per_second, 2),
                "first_token_seconds": [round(one.first_seconds, 3) for one in round_.answers],
            }


def _append(path: Path, row: dict[str, Any]) -> None:
    from llmgen.apply.failure import cannot_write

    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, sort_keys=True) + "\n")
    except OSError as error:
        raise InputError(cannot_write(path, error, "bench.unwritable")) from error


def _text(rows: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{model}: {what}, {speed:.1f} tokens/s" + _first(row)
        for row in rows
        for (model, _, what), speed in figures(row)
    )


def _first(row: dict[str, Any]) -> str:
    waited = row.get("first_token_seconds")
    return f", first token after {max(waited):.2f} s" if waited else ""


def _compared(before: str, after: str) -> Outcome:
    pairs = compare(_read(before), _read(after))
    return Outcome(
        {"pairs": [{**plain(pair), "ratio": pair.ratio} for pair in pairs]},
        text=lambda: _print(pairs),
        said="" if pairs else "neither file has a result",
    )


def _read(name: str) -> str:
    try:
        text = Path(name).read_text("utf-8")
        compare(text, "")
    except OSError as error:
        problem, hint = f"`{name}` cannot be read: {error.strerror}", "name a file that bench wrote"
    except ValueError as error:
        problem, hint = f"`{name}`: {error}", "name a file that bench wrote"
    else:
        return text
    raise InputError(Diagnostic("bench.no-results", problem, hint=hint))


def _print(pairs: Sequence[SpeedPair]) -> None:
    from llmgen.cli.drawing import echo, table_of

    table = table_of("model", "recipe", ">before", ">after", ">ratio", "measured")
    for pair in pairs:
        shown = ["-" if value is None else f"{value:.1f}" for value in (pair.before, pair.after)]
        ratio = "-" if pair.ratio is None else f"{pair.ratio:.2f}"
        table.add_row(pair.model, pair.recipe, *shown, ratio, pair.what)
    if pairs:
        echo(table, "tokens per second; a ratio above 1 is faster")
