"""Compiled templates of earlier runs, as Python keeps its own; no run depends on them."""

from __future__ import annotations

import os
import pickle
from contextlib import suppress

from jinja2 import FileSystemBytecodeCache
from jinja2.bccache import Bucket
from platformdirs import user_cache_path


class Compiled(FileSystemBytecodeCache):
    """The cache that a full disk and a damaged file do not end a run for."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read what an earlier run compiled; what cannot be read is compiled again."""
        try:
            super().load_bytecode(bucket)
        # What pickle and marshal raise for a file that is cut short.
        except (OSError, EOFError, ValueError, TypeError, pickle.UnpicklingError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled, where there is room."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


def compiled() -> Compiled | None:
    """The cache of this user; None where none can be kept.

    Compiling is a fifth of a run. jinja2 checks each template's text before it takes one of them.
    """
    folder = user_cache_path("llmgen") / "templates"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return None
    # Compiled templates are code: whoever can write there runs it as this user (`sudo` may keep
    # another one's home).
    if status.st_uid != os.geteuid() or status.st_mode & 0o022 or not os.access(folder, os.W_OK):
        return None
    return Compiled(str(folder))
