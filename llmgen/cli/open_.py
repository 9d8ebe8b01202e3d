"""``llmgen open``: the pages of the stack, in a browser."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from llmgen.cli.asking import asking
from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import OUTPUT, Read, known_plan, read
from llmgen.cli.report import PAGE
from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.operate.status.pages import WebPage
    from llmgen.plan.plan import Plan

REPORT = "report"


class PageAddress(Struct, frozen=True):
    """A page with its address; ``lacks`` says why it is not there, empty when it is."""

    name: str
    url: str
    shows: str
    lacks: str = ""
    is_models: bool = False


@command(short_help="the pages of the stack, in a browser")
@click.argument("names", nargs=-1, metavar="[PAGE]…")
@click.option("--print", "only_print", is_flag=True, help="Print the addresses; open nothing.")
def cli(session: Session, names: tuple[str, ...], *, only_print: bool) -> Outcome:
    """Print the pages that the running stack serves, and open them in a browser.

    PAGE is `llama-swap`, `router`, `open-webui`, `envoy`, `litellm`, `report`, or an always-on
    model, whose server has a chat page; without one all of them but those of models. With names
    the bare addresses are printed. Only pages of this llm.toml's stack are opened, and without a
    display none.
    """
    found = read(session)
    placed = known_plan(found)
    listed = [*_listed(found, placed)]
    _refuse_unknown(names, listed)
    wanted = [row for row in listed if row.name in names or not (names or row.is_models)]
    there = [row for row in wanted if not row.lacks]
    opened = [] if only_print or session.json else _opened(there)
    known = [{**_plain(row), "opened": row.name in opened} for row in listed]
    return Outcome(
        {"pages": known},
        text="".join(f"{row.url}\n" for row in there) if names else lambda: _show(listed),
        said=_said(there, opened, only_print=only_print),
        diagnostics=tuple(map(_missing, (row for row in wanted if row.lacks and names))),
        exit_code=InputError.exit_code if names and len(there) < len(wanted) else None,
        ok=bool(there),
    )


def _listed(found: Read, placed: Plan) -> list[PageAddress]:
    """Every page, asked whether it is there; what another stack serves is not asked."""
    from msgspec.structs import replace

    from llmgen.operate.engines.engine import engine
    from llmgen.operate.engines.server import secret
    from llmgen.operate.status.asking import observe_ports
    from llmgen.operate.status.pages import lacking, pages
    from llmgen.operate.status.port_holder import Whose, holder, told
    from llmgen.operate.status.stack import expected

    who, config = asking(found), placed.library.config
    known = {item.service.name: item.at for item in expected(placed, who.site)}
    at = {page: replace(known[page.service], port=page.port) for page in pages(placed)}
    seen = observe_ports(who, [*at.values()])

    def lacks(page: WebPage) -> str:
        owner = holder(at[page], seen)
        if owner.whose is Whose.FREE:
            return "it does not run"
        if not owner.may_be_asked:
            return told(at[page], owner).message
        if page.service in ("swap", "router"):
            return lacking(page, engine(config).endpoint.key)
        return lacking(page, secret(config.services.api_key, config) if page.is_models else "")

    rows = [
        PageAddress(page.name, page.url, page.shows, lacks(page), page.is_models) for page in at
    ]
    return [*rows, _report(found)]


def _report(found: Read) -> PageAddress:
    """The plan's own page where one was written: by `generate`, or by `report` in this folder."""
    from llmgen.render.header import OWNER

    for path in (found.folder / OUTPUT / "report.html", Path(PAGE)):
        try:
            with path.open("rb") as file:
                if OWNER.encode() in file.read(512):
                    return PageAddress(REPORT, path.resolve().as_uri(), "the plan")
        except OSError:
            continue
    return PageAddress(REPORT, Path(PAGE).resolve().as_uri(), "the plan", "it is not written")


def _refuse_unknown(names: Sequence[str], listed: Sequence[PageAddress]) -> None:
    known = [row.name for row in listed]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"no page `{unknown[0]}`; there are {', '.join(known)}")


def _missing(row: PageAddress) -> Diagnostic:
    """What is said of a page that was asked for and is not there."""
    is_report = row.name == REPORT
    return Diagnostic(
        "open.no-page",
        f"the page of `{row.name}` is not there: {row.lacks}",
        hint="`llmgen report` writes it" if is_report else "`llmgen status` says what runs",
    )


def _opened(there: Sequence[PageAddress]) -> list[str]:
    """Open them where there is a display; the names of those that a browser took."""
    import webbrowser

    if not _has_display():
        return []
    try:
        browser = webbrowser.get()
        return [row.name for row in there if browser.open(row.url)]
    except webbrowser.Error:
        return []


def _has_display() -> bool:
    """Whether a browser would have a window; one for text would take the terminal."""
    named = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform == "darwin" or any(map(os.environ.get, named))


def _said(there: Sequence[PageAddress], opened: Sequence[str], *, only_print: bool) -> str:
    if not there:
        return "none of them is there; `llmgen up` starts the stack"
    if opened:
        return f"opened {', '.join(opened)}"
    return "" if only_print else "no browser was opened: there is no display, or no browser"


def _show(listed: Sequence[PageAddress]) -> None:
    from llmgen.cli.drawing import echo, table_of

    table = table_of("page", "address", "shows")
    for row in listed:
        table.add_row(row.name, row.url, f"{row.shows} ({row.lacks})" if row.lacks else row.shows)
    echo(table)


def _plain(row: PageAddress) -> dict[str, object]:
    return {"name": row.name, "url": row.url, "shows": row.shows, "lacks": row.lacks}
