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
    type=click.Choice(["nft", "ufw", "firewalld", "pf"]),
    help="Whose rules; absent: nft on Linux, pf on macOS.",
)
@click.option("--apply", "action", flag_value="apply", help="Put them in place (needs root).")
@click.option("--undo", "action", flag_value="undo", help="Take them out again (needs root).")
@click.option("--status", "action", flag_value="status", help="Whether they are in place.")
def cli(session: Session, tool: str | None, action: str | None) -> Outcome:
    """Print the rules that let other machines reach what llm.toml exposes, and nothing else.

    Rules of nft last until the next boot; `firewall = true` in [targets.host] and
    `llmgen host --install` load them at every one. ufw and firewalld keep their rules themselves.
    Those of pf are printed, with the commands that load them and take them out, or loaded at every
    boot in the same way.
    """
    from llmgen.cli.pipeline import known_plan, read, unknown_models
    from llmgen.firewall.ports import ports

    source = read(session)
    placed = known_plan(source)
    found = ports(placed)
    system = placed.library.machine.os
    tool = tool or ("nft" if system == "linux" else "pf")
    if (tool == "pf") != (system == "macos"):
        raise source.located(_other_system(tool, system))
    data: dict[str, object] = {"tool": tool, "open": found.open, "closed": found.closed}
    if tool == "pf":
        return _pf(action, found, data)
    if tool == "ufw":
        from llmgen.firewall.rules import ufw, ufw_undo

        return _told(action, ufw(found), ufw_undo(found), data)
    if tool == "firewalld":
        from llmgen.firewall.firewalld import firewalld, firewalld_undo

        return _told(action, firewalld(found), firewalld_undo(found), data)
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


def _other_system(tool: str, system: str) -> InputError:
    own = "`--tool pf`" if system == "macos" else "`--tool nft`, `ufw` or `firewalld`"
    return InputError(
        Diagnostic(
            "firewall.other-system",
            f"llm.toml is for {system}, where nothing reads rules of {tool}",
            ("hardware", "os"),
            hint=own,
        )
    )


def _pf(action: str | None, found: Ports, data: dict[str, object]) -> Outcome:
    from llmgen.firewall.pf import pf

    if action is not None:
        raise click.UsageError(f"rules of pf are only printed; their head says how to {action}")
    return Outcome(data={**data, "rules": pf(found)}, text=pf(found))


def _told(
    action: str | None,
    allow: tuple[tuple[str, ...], ...],
    undo: tuple[tuple[str, ...], ...],
    data: dict[str, object],
) -> Outcome:
    from llmgen.firewall.apply import tell

    if action == "status":
        shown = {"ufw": "ufw status", "firewalld": "firewall-cmd --list-rich-rules"}
        raise click.UsageError(
            f"`{shown[str(data['tool'])]}` shows its rules; `--status` is for nft"
        )
    commands = undo if action == "undo" else allow
    text = "\n".join(shlex.join(words) for words in commands)
    if action is None:
        return Outcome(data={**data, "rules": text}, text=text)
    tell(commands)
    return Outcome(data={**data, "rules": text}, said=f"{action}: done")


def _state(*, state: bool) -> str:
    return "applied" if state else "not applied"
