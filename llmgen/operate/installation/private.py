"""The private folders with filled keys: they go with the service that they were filled for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from llmgen.apply.changes import Action, Change
from llmgen.errors import Diagnostic, InputError
from llmgen.gateway.secrets import MANIFEST, read_manifest
from llmgen.operate.installation.steps import Step, StepKind
from llmgen.operate.site import Site

_LEAVES = (Action.DELETE, Action.FORGET, Action.UPDATE)


def forgetting(site: Site, decided: Iterable[Change]) -> Iterator[Step]:
    """What removes the folders that no wanted service reads any longer, once these have stopped.

    So do folders that another user's programs will read: services move into containers, or out.
    """
    manifests = [item for item in decided if item.path.name == MANIFEST]
    wanted = [read_manifest(item.artifact.content) for item in manifests if item.artifact]
    used = {(item.into, item.owner) for item in wanted}
    left = (_filled(site, item.path) for item in manifests if item.action in _LEAVES)
    for folder in sorted({folder for folder, owner in left if (folder, owner) not in used}):
        words = ("rm", "-r", "--", str(folder))
        why = "the keys of a service go with it"
        yield Step(words, why, StepKind.FORGET, privileged=site.manager.privileged, fails=False)


def forget(folder: Path) -> None:
    """Remove a folder of filled files, and the one above when nothing else is in it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        # By descriptor: the folder is the services' own, and while root is at it their user could
        # put a link to another one in its place.
        for name in os.listdir(descriptor):  # noqa: PTH208
            os.unlink(name, dir_fd=descriptor)
        folder.rmdir()
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    except OSError as error:
        raise InputError(
            Diagnostic(
                "keys.unwritable",
                f"`{folder / str(error.filename)}` cannot be removed: {error.strerror}",
                hint="there are keys in that folder: remove it by hand",
            )
        ) from error
    finally:
        os.close(descriptor)


def _filled(site: Site, path: PurePosixPath) -> tuple[PurePosixPath, tuple[int, int] | None]:
    """Where the installed manifest filled to, for whom; when it is broken, where it would have."""
    try:
        found = read_manifest((site.root / path).read_bytes())
    except (OSError, ValueError, LookupError, TypeError):
        return site.layout.runtime / path.parent.name, None
    return found.into, found.owner
