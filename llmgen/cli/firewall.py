"""``llmgen firewall``: the exact rules for what is exposed; applied and undone only when asked."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.firewall.ports import Ports


@command()
@click.option(
    "--tool",
    type=click.Choice(["nft", "ufw"]),
    default="nft",
    show_default=True,
    help="Whose rules.",
)
@click.option("--apply", "action", flag_value="apply", help="Put them in place (needs root).")
@click.option("--undo", "action", flag_value="undo", help="Take them out again (needs root).")
@click.option("--status", "action", flag_value="status", help="Whether they are in place.")
def cli(session: Session, tool: str, action: str | None) -> Outcome:
    """Print the rules that let other machines reach what llm.toml exposes, and nothing else.

    Rules of nft last until the next boot; to keep them, include the printed text in
    /etc/nftables.conf. ufw keeps its rules itself.
    """
    from llmgen.cli.pipeline import known_plan, read, unknown_models
    from llmgen.firewall.ports import ports

    source = read(session)
    placed = known_plan(source)
    found = ports(placed)
    if placed.library.machine.os != "linux":
        raise source.located(_no_tool(found))
    data: dict[str, object] = {"tool": tool, "open": found.open, "closed": found.closed}
    if tool == "ufw":
        from llmgen.firewall.rules import ufw, ufw_undo

        return _ufw(action, ufw(found), ufw_undo(found), data)
    from llmgen.firewall.apply import load, ruleset
    from llmgen.firewall.rules import applied, nft, nft_undo, others

    if action is None:
        unknown = unknown_models(source, placed)
        return Outcome(data={**data, "rules": nft(found)}, text=nft(found), diagnostics=unknown)
    now = ruleset()
    if action == "status":
        state = applied(now)
        return Outcome(data={**data, "applied": state}, text=_state(state=state), ok=state)
    script = nft_undo(now) + (nft(found, others(now)) if action == "apply" else "")
    load(script)
    return Outcome(data={**data, "rules": script}, said=f"{action}: done")


def _no_tool(found: Ports) -> InputError:
    exposed = ", ".join(f"{item.port} ({item.service})" for item in found.open)
    return InputError(
        Diagnostic(
            "firewall.other-system",
            "rules are those of nftables and ufw, and llm.toml is for macOS",
            ("hardware", "os"),
            hint=f"pf can let other machines reach {exposed}" if exposed else "nothing is exposed",
        )
    )


def _ufw(
    action: str | None,
    allow: tuple[tuple[str, ...], ...],
    undo: tuple[tuple[str, ...], ...],
    data: dict[str, object],
) -> Outcome:
    from llmgen.firewall.apply import tell

    if action == "status":
        raise click.UsageError("`ufw status` shows its rules; `--status` is for nft")
    commands = undo if action == "undo" else allow
    text = "\n".join(shlex.join(words) for words in commands)
    if action is None:
        return Outcome(data={**data, "rules": text}, text=text)
    tell(commands)
    return Outcome(data={**data, "rules": text}, said=f"{action}: done")


def _state(*, state: bool) -> str:
    return "applied" if state else "not applied"
