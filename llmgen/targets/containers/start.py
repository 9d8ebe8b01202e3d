"""How a container starts its program: secrets from files, checks, then the program itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from llmgen.targets.containers.container import SECRETS
from llmgen.targets.services import Service


def argv(service: Service) -> tuple[str, ...]:
    """The words that start it, through a shell where something has to happen first."""
    steps = [*_steps(service)]
    if not steps:
        return service.argv
    script = "; ".join([*steps, 'exec "$@"'])
    return ("/bin/sh", "-euc", script, service.name, *service.argv)


def _steps(service: Service) -> Iterator[str]:
    for name, _ in service.secrets:
        # The last line of a file may lack its end.
        place = shlex.quote(str(SECRETS / name))
        yield f'IFS= read -r {name} < {place} || [ -n "${name}" ]'
        yield f"export {name}"
    if service.made_file is not None:
        yield f"set -a; . {shlex.quote(str(service.made_file))}; set +a"
    yield from map(shlex.join, service.checks)
