"""``llmgen bench``: measure models of the plan; one JSON line for each result."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmgen.bench.recipes import RECIPES, Recipe, connections, llama_bench
from llmgen.cli.boundary import Session, command
from llmgen.cli.options import FileName
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import plan, read
from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.plan.model import Placement, Plan

RESULTS = "bench.jsonl"


@command(short_help="measure the models of the plan")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--recipe", type=click.Choice(list(RECIPES)), default="single", help="What to measure."
)
@click.option(
    "--http", metavar="URL", help="Measure a running endpoint (http://127.0.0.1:8080/v1)."
)
@click.option(
    "--llama-bench", "program", metavar="PATH", help="llama-bench; absent: beside llama-server."
)
@click.option(
    "-o",
    "--output",
    type=FileName(),
    metavar="FILE",
    help=f"Where lines are added; absent: {RESULTS}.",
)
@click.option("--dry-run", is_flag=True, help="Print the command lines, run nothing.")
def cli(
    session: Session,
    models: tuple[str, ...],
    recipe: str,
    http: str | None,
    program: str | None,
    *,
    output: str | None,
    dry_run: bool,
) -> Outcome:
    """Measure models with llama-bench, or a running endpoint over HTTP, under the plan's settings.

    Each result is a JSON line with the plan's digest, so that figures stay with what was measured.
    """
    from llmgen.apply.files import refuse_unwritable
    from llmgen.plan.proof import digest

    found = read(session)
    placed = plan(found)
    chosen = _chosen(placed, models)
    what = RECIPES[recipe]
    bench = program or str(placed.library.layout.llama_server.with_name("llama-bench"))
    if dry_run:
        lines = [llama_bench(item, what, bench) for item in chosen]
        return Outcome({"commands": lines}, text="\n".join(" ".join(words) for words in lines))
    measure = _over_http(chosen, what, http) if http else _llama_bench(chosen, what, bench)
    path = Path(output) if output else found.folder / RESULTS
    # Before hours of measuring; and each result is kept when it is there, whatever comes after.
    refuse_unwritable([path])
    rows = []
    for row in measure:
        rows.append({"plan": digest(placed), "recipe": recipe, **row})
        _append(path, rows[-1])
    return Outcome({"results": rows, "file": str(path)}, text=_text(rows), said=f"added to {path}")


def _chosen(placed: Plan, names: tuple[str, ...]) -> list[Placement]:
    known = {name: item for item in placed.placements for name in item.model.names}
    for name in names:
        if name not in known:
            raise click.UsageError(f"no model is called `{name}`")
    return [known[name] for name in names] or list(placed.placements)


def _llama_bench(chosen: list[Placement], what: Recipe, program: str) -> Iterator[dict[str, Any]]:
    for item in chosen:
        words = llama_bench(item, what, program)
        try:
            done = subprocess.run(  # noqa: S603
                words, capture_output=True, text=True, errors="replace", check=False
            )
        except OSError as error:
            raise InputError(
                Diagnostic(
                    "bench.no-program",
                    f"`{program}` cannot be run: {error.strerror}",
                    hint="`--llama-bench PATH`, or `--http URL` for a running server",
                )
            ) from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(
                Diagnostic(
                    "bench.failed",
                    f"llama-bench failed on `{item.name}`: {last}",
                    hint=f"try it: {shlex.join(words)}",
                )
            )
        for line in done.stdout.splitlines():
            yield {"model": item.name, "llama_bench": json.loads(line)}


def _over_http(chosen: list[Placement], what: Recipe, url: str) -> Iterator[dict[str, Any]]:
    from llmgen.bench.http import load

    for item in chosen:
        for count in connections(item, what):
            round_ = load(
                url.rstrip("/"),
                item.name,
                prompt_tokens=what.prompts[0],
                answer_tokens=what.answers[0],
                connections=count,
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
    return "\n".join(_line(row) for row in rows)


def _line(row: dict[str, Any]) -> str:
    measured = row.get("llama_bench")
    if measured is None:
        return (
            f"{row['model']}: {row['connections']} at a time, "
            f"{row['tokens_per_second']} tokens/s, first token after "
            f"{max(row['first_token_seconds']):.2f} s"
        )
    kind = "prompt" if measured.get("n_prompt") else "answer"
    depth = measured.get("n_depth", 0)
    return f"{row['model']}: {kind} at depth {depth}, {measured.get('avg_ts', 0):.1f} tokens/s"
