"""Which model of the Hub a command line or a section's name means."""

from __future__ import annotations

import re
from typing import Any

_REPO = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::([\w.-]+))?")
_URL = re.compile(r"https://(?:huggingface\.co|hf\.co)/([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)")
# The server's word for "whichever"; llmgen's own choice is the same Q4_K_M.
_ANY = "latest"


def of_repo(text: str) -> dict[str, Any]:
    """Keys of `OWNER/NAME[:QUANT]` (`--hf-repo`); none for another text."""
    found = _REPO.fullmatch(text)
    if found is None:
        return {}
    quant = found[2] if found[2] and found[2].lower() != _ANY else None
    return {"hf_repo": found[1]} | ({"quant": quant} if quant else {})


def of_url(text: str) -> dict[str, Any]:
    """Keys of a file's address on the Hub (`--model-url`); none for another address."""
    found = _URL.match(text)
    if found is None:
        return {}
    revision = {"revision": found[2]} if found[2] != "main" else {}
    return {"hf_repo": found[1], "hf_file": found[3], **revision}
