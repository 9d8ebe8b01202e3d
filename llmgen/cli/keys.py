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
    those of llm.toml's installation are taken, and of its stack in the foreground. A running Envoy
    takes up new keys without a restart; LiteLLM reads its own when it starts.
    """
    from llmgen.gateway.publish import publish

    written = [path for item in manifests or _known(session) for path in publish(item)]
    lines = [f"wrote {path}" for path in written] or ["nothing changed"]
    return Outcome(data={"written": written}, said="\n".join(lines))


def _known(session: Session) -> list[Path]:
    """Where this llm.toml serves: InputError when nowhere, since an old key would go on."""
    from llmgen.cli.pipeline import read
    from llmgen.errors import Diagnostic, InputError
    from llmgen.gateway.secrets import MANIFEST
    from llmgen.layout import layout
    from llmgen.operate.foreground.run_folder import alive

    found = read(session)
    installed = Path(layout(found.config.paths, found.config.services.scope).config)
    running = alive([source.name for source in found.sources])
    folders = (installed, *(path / "config" for path in running))
    known = [path for folder in folders for path in sorted(folder.glob(f"*/{MANIFEST}"))]
    if not known:
        raise InputError(
            Diagnostic(
                "keys.nowhere",
                "no gateway of this llm.toml is installed, and none runs in the foreground",
                hint="`llmgen install` or `llmgen up --foreground` fills its keys",
            )
        )
    return known
