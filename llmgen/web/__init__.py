"""What other programs answer over HTTP: how much of it is read, how long, how deep it may nest."""

import sys

# httpx brings its own command line where it can, and rich with it: a third of its start.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None: it is not to be had
