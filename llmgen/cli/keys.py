"""``llmgen keys``: fill the gateways' keys from their references into the private folder."""

from __future__ import annotations

from pathlib import Path

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome


@command()
@click.argument("manifests", nargs=-1, type=click.Path(path_type=Path), metavar="[KEYS.JSON]...")
def cli(session: Session, manifests: tuple[Path, ...]) -> Outcome:
    """Fill keys into the gateways' files; run it again when a key changed.

    Services run it before they start, with the keys.json that `llmgen install` wrote. Without one,
    those of llm.toml's installation are taken. Running gateways take up new keys without a restart.
    """
    from llmgen.gateway.publish import publish

    written = [path for item in manifests or _installed(session) for path in publish(item)]
    lines = [f"wrote {path}" for path in written] or ["nothing changed"]
    return Outcome(data={"written": written}, said="\n".join(lines))


def _installed(session: Session) -> list[Path]:
    from llmgen.cli.pipeline import read
    from llmgen.gateway.secrets import MANIFEST
    from llmgen.layout import layout

    config = read(session).config
    folder = Path(layout(config.paths, config.services.scope).config)
    return sorted(folder.glob(f"*/{MANIFEST}"))
