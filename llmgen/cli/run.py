"""``llmgen run``: chat with a model in this terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from llmgen.cli.asking import refuse_other_servers
from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import known_plan, read
from llmgen.cli.printable import shown

if TYPE_CHECKING:
    from llmgen.operate.engines.chat import ChatPiece
    from llmgen.operate.engines.server import Endpoint
    from llmgen.plan.plan import Placement, Plan

Message = dict[str, str]


@command(short_help="chat with a model")
@click.argument("model", required=False)
@click.argument("prompt", nargs=-1)
@click.option("--system", metavar="TEXT", help="System message.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=None, help="Longest answer.")
def cli(
    session: Session,
    model: str | None,
    prompt: tuple[str, ...],
    system: str | None,
    max_tokens: int | None,
) -> Outcome:
    """Ask MODEL (a name or an alias) one PROMPT, or chat until ^D.

    The answer goes to standard output while it is made, what the model thinks before it to
    standard error. Without PROMPT on a terminal it is a chat; otherwise standard input is asked.
    """
    from llmgen.operate.engines.chat import stream

    found_config = read(session)
    placed = known_plan(found_config)
    chosen = _chosen(placed, model)
    refuse_other_servers(found_config, placed, [chosen])
    name, endpoint = model or chosen.name, _endpoint(placed, chosen)
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    is_chat = not prompt and sys.stdin.isatty() and not session.json
    said = " ".join(prompt) if prompt else "" if is_chat else sys.stdin.read().strip()
    if not said and not is_chat:
        raise click.UsageError("nothing was asked: give a PROMPT, or text on standard input")
    answer = ""
    while said or is_chat:
        said = said or _line()
        if not said:
            break
        messages.append({"role": "user", "content": said})
        found = stream(endpoint, name, messages, max_tokens=max_tokens or 0)
        answer = _show(found, quiet=session.json)
        messages.append({"role": "assistant", "content": answer})
        said = ""
    return Outcome({"model": name, "answer": answer})


def _chosen(placed: Plan, model: str | None) -> Placement:
    from llmgen.operate.engines.names import named

    if model is not None:
        return named(placed.placements, model)
    chats = [item for item in placed.placements if item.model.role in ("chat", "vision")]
    if not chats:
        raise click.UsageError("name a model; llm.toml has none for chat")
    return next((item for item in chats if item.model.default), chats[0])


def _endpoint(placed: Plan, chosen: Placement) -> Endpoint:
    """An always-on model's own server, or the engine for the others; of containers the front."""
    from llmgen.library import Keep
    from llmgen.operate.engines.engine import engine
    from llmgen.operate.engines.front import front
    from llmgen.operate.engines.server import local, secret

    config = placed.library.config
    if config.services.runtime != "native":
        return front(placed, chosen)
    if chosen.keep is Keep.ALWAYS:
        return local("127.0.0.1", chosen.port, secret(config.services.api_key, config))
    return engine(config).endpoint


def _line() -> str:
    """One line from the terminal; empty at ^D."""
    click.echo("> ", nl=False, err=True)
    return sys.stdin.readline().strip()


def _show(found: Iterable[ChatPiece], *, quiet: bool) -> str:
    answer = []
    for piece in found:
        if not piece.is_thought:
            answer.append(piece.text)
        if not quiet:
            click.echo(shown(piece.text), nl=False, err=piece.is_thought)
    if not quiet:
        click.echo()
    return "".join(answer)
