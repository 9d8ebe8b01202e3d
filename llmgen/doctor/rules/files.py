"""Model files: there, whole, and readable for the user that serves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from llmgen.doctor.model import FileSeen, Finding, Seen, judged, unknown
from llmgen.plan.model import Plan
from llmgen.units import show_size

GGUF_MAGIC = (b"GGUF", b"FUGG")


def wanted(plan: Plan) -> dict[str, int]:
    """Every file that a server opens, with its locked size in bytes (0: not known)."""
    found: dict[str, int] = {}
    for placement in plan.placements:
        for facts in placement.model.all_facts:
            for file in facts.files:
                found[str(plan.library.layout.model(file.name))] = file.size_bytes
        template = placement.model.options.chat_template_file
        if template:
            found[str(plan.library.layout.model(template))] = 0
    return found


def models(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Every file is there with its locked size, begins as GGUF files do, and can be read."""
    services = plan.library.config.services
    user = services.user if services.scope == "system" else "$USER"
    for path, size in wanted(plan).items():
        found = seen.files.get(path)
        expected = f"a file of {show_size(size)}" if size else "a file"
        if found is None:
            yield unknown("model-file", path, expected, "it was not looked at")
        else:
            yield _judge(path, size, expected, found, user)


def _judge(path: str, size: int, expected: str, found: FileSeen, user: str) -> Finding:
    if found.size_bytes is None:
        return judged(
            "model-file", path, expected, found.problem or "absent", ok=False,
            fix="`llmgen pull`, or correct the path in llm.toml",
        )  # fmt: skip
    if size and found.size_bytes != size:
        observed = f"{found.size_bytes} bytes instead of {size}"
        return judged(
            "model-file", path, expected, observed, ok=False,
            fix="`llmgen pull` (a download was cut short), or `llmgen lock` (the file is another)",
        )  # fmt: skip
    if path.endswith(".gguf") and found.magic and found.magic not in GGUF_MAGIC:
        return judged(
            "model-file", path, "a GGUF file", f"begins with {found.magic!r}", ok=False,
            fix="`llmgen pull`: this is no model (often an error page, or a Git LFS pointer)",
        )  # fmt: skip
    if found.readable is False:
        return judged(
            "model-file", path, f"readable for `{user}`", found.problem or "not readable", ok=False,
            fix=f"`sudo -u {user} head -c 4 {PurePosixPath(path)}` shows which folder is closed",
        )  # fmt: skip
    if found.readable is None:
        return unknown("model-file", path, f"readable for `{user}`", f"there is no user `{user}`")
    return judged("model-file", path, expected, show_size(found.size_bytes), ok=True)
