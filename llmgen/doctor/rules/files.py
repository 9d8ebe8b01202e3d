"""Model files: there, whole, and readable for the user that serves them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from llmgen.config.names import service_name
from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import FileSeen, Seen
from llmgen.engines.loaders import loader_of
from llmgen.library import Keep
from llmgen.plan.plan import Plan
from llmgen.targets import accounts
from llmgen.units import show_size

GGUF_MAGIC = (b"GGUF", b"FUGG")


def wanted(plan: Plan) -> dict[str, int]:
    """Every file that a server opens, with its locked size in bytes (0: not known).

    What another engine than llama-server reads may be a folder.
    """
    found: dict[str, int] = {}
    for placement in plan.placements:
        if (served := placement.model.served) is not None:
            paths = (served.model, *served.files.values())
            found |= dict.fromkeys((path for path in paths if path.startswith("/")), 0)
        for facts in placement.model.all_facts:
            for file in facts.files:
                found[str(plan.library.layout.model(file.name))] = file.size_bytes
        template = placement.model.options.chat_template_file
        if template:
            found[str(plan.library.layout.model(template))] = 0
    return found


def readers(plan: Plan) -> dict[str, str]:
    """The system's user that opens each of these files; none where a user's own services do."""
    services, library = plan.library.config.services, plan.library
    if services.scope != "system":
        return {}
    engine = accounts.user(services, loader_of(services).service)
    found = dict.fromkeys(wanted(plan), engine)
    for item in plan.placements:
        if item.keep is Keep.ALWAYS:
            own = accounts.user(services, service_name(item.name))
            names = (file.name for facts in item.model.all_facts for file in facts.files)
            found |= {str(library.layout.model(name)): own for name in names}
    return {path: found[path] for path in wanted(plan)}


def _sources(plan: Plan) -> dict[str, str]:
    """Where llm.toml has each of these files from."""
    return {
        str(plan.library.layout.model(file.name)): placement.model.ref
        for placement in plan.placements
        for facts in placement.model.all_facts
        for file in facts.files
    }


def _fetch(path: str, source: str, *, is_there: bool) -> str:
    """What brings the file; `llmgen pull` replaces none that is there."""
    kind, _, name = source.partition(":")
    if kind == "hf":
        away = f"`rm {shlex.quote(path)}`, then " if is_there else ""
        return f"{away}`llmgen pull`"
    if kind == "ollama":
        return f"`ollama pull {shlex.quote(name)}`"
    if is_there:
        return "copy it there again; `llmgen lock` when another file is meant"
    return "put it there, or correct its name in llm.toml"


def models(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Every file is there with its locked size, begins as GGUF files do, and can be read."""
    users, sources = readers(plan), _sources(plan)
    for path, size in wanted(plan).items():
        found = seen.files.get(path)
        expected = f"a file of {show_size(size)}" if size else "a file"
        if found is None:
            yield unknown("model-file", path, expected, "it was not looked at")
        else:
            fetch = _fetch(path, sources.get(path, ""), is_there=found.size_bytes is not None)
            yield _judge(path, size, expected, found, users.get(path, "$USER"), fetch)


def _judge(  # noqa: PLR0917 - one file and all that is known of it
    path: str, size: int, expected: str, found: FileSeen, user: str, fetch: str
) -> Finding:
    if found.size_bytes is None:
        return judged(
            "model-file", path, expected, found.problem or "absent", ok=False,
            fix=fetch,
        )  # fmt: skip
    if size and found.size_bytes != size:
        observed = f"{found.size_bytes} bytes instead of {size}"
        return judged(
            "model-file", path, expected, observed, ok=False,
            fix=fetch,
        )  # fmt: skip
    if path.endswith(".gguf") and found.magic and found.magic not in GGUF_MAGIC:
        return judged(
            "model-file", path, "a GGUF file", f"begins with {found.magic!r}", ok=False,
            fix=f"{fetch}: this is no model (often an error page, or a Git LFS pointer)",
        )  # fmt: skip
    if found.readable is False:
        return judged(
            "model-file", path, f"readable for `{user}`", found.problem or "not readable", ok=False,
            fix=_opened(found.closed) or f"`sudo -u {user} head -c 4 {shlex.quote(path)}` tries it",
        )  # fmt: skip
    if found.readable is None:
        return unknown("model-file", path, f"readable for `{user}`", f"there is no user `{user}`")
    return judged("model-file", path, expected, show_size(found.size_bytes), ok=True)


def _opened(closed: str) -> str:
    """What opens a folder, which ends in a slash, or a file to everybody."""
    if not closed:
        return ""
    mode = "o+x" if closed.endswith("/") else "o+r"
    return f"`sudo chmod {mode} {shlex.quote(closed.rstrip('/'))}`, or keep the models elsewhere"
