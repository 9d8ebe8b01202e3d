"""Where llmgen starts and ends, as ``llmgen`` and as ``python -m llmgen``."""

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

# What a command imports and plans lives until its end, so looking for garbage meanwhile finds
# none. Commands that stay for hours still collect, only more rarely.
RARELY = 500_000


def main() -> NoReturn:
    """Run llmgen and exit with its code."""
    gc.set_threshold(RARELY)
    try:
        from llmgen.cli.boundary import main as run  # noqa: PLC0415 - after the line above

        run()
    except KeyboardInterrupt:
        # Before the boundary was there, which knows this code as well.
        sys.exit(130)
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise  # words to print
        with suppress(OSError):
            # Nobody reads any longer what a stream still holds; Python would make a 120 of it.
            with suppress(BrokenPipeError):
                sys.stdout.flush()
                sys.stderr.flush()
            # Everything is written; freeing every object first takes a tenth of a `generate`.
            os._exit(end.code or 0)
        raise


if __name__ == "__main__":
    main()
