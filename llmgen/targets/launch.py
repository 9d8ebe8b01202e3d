"""The words that start a service: its command, after its secrets are in the environment."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from llmgen.config.tables.base import Secret
from llmgen.layout import Layout, expand
from llmgen.targets.services import Service

# An unset variable or an unreadable file ends the start with the shell's message.
_SHELL: Final = ("/bin/sh", "-euc")


def launch(service: Service, layout: Layout, *, credentials: bool) -> tuple[str, ...]:
    """The command, through a shell where a secret has to be read first.

    With ``credentials`` the service manager hands secret files over in a folder of the service's
    own ($CREDENTIALS_DIRECTORY); without, they are read where they are.
    """
    if not service.secrets:
        return service.argv
    steps = [
        step
        for name, secret in service.secrets
        for step in _read(name, secret, layout, credentials=credentials)
    ]
    return (*_SHELL, "; ".join([*steps, 'exec "$@"']), service.name, *service.argv)


def credential(name: str, secret: Secret, layout: Layout, *, scope: str) -> str:
    """The value of ``LoadCredential=`` for a secret; empty when it needs none."""
    if secret.credential is not None:
        return secret.credential
    if name and secret.file is not None and scope == "system":
        return f"{name}:{_path(secret, layout)}"
    return ""


def _read(name: str, secret: Secret, layout: Layout, *, credentials: bool) -> Iterator[str]:
    match secret:
        case Secret(env=str(variable)):
            yield f'export {name}="${{{variable}:?}}"'
            return
        case Secret(credential=str(label)):
            place = f'"$CREDENTIALS_DIRECTORY"/{shlex.quote(label)}'
        case _ if credentials:
            place = f'"$CREDENTIALS_DIRECTORY"/{name}'
        case _:
            place = shlex.quote(_path(secret, layout))
    # The last line of a file may lack its end.
    yield f'IFS= read -r {name} < {place} || [ -n "${name}" ]'
    yield f"export {name}"


def _path(secret: Secret, layout: Layout) -> str:
    return str(layout.config / expand(secret.file or "", layout.home, ("paths", "home")))
