"""``llmgen completion``: click's own completion script for a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from llmgen.cli.boundary import COMPLETE, Session, command, root
from llmgen.cli.outcome import Outcome


@command(reads_config=False, short_help="shell completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def cli(session: Session, shell: str) -> Outcome:
    """Print the completion script: `eval "$(llmgen completion bash)"` in the shell's start file."""
    del session
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"click has no completion for {shell}")
    script = made(root, {}, "llmgen", COMPLETE).source()
    return Outcome({"shell": shell, "script": script}, text=script)
