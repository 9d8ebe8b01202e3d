"""The pages are built by the real Sphinx, and their links lead somewhere."""

import re
import subprocess
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import readers

from docs.pages import DOCS, pages

ROOT = DOCS.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of pages that Sphinx makes, with its warnings as errors."""
    folder = tmp_path_factory.mktemp("built")
    words = ["--fail-on-warning", "--keep-going", "--quiet", "-b", "dirhtml", "-d"]
    program = readers.find("sphinx-build")
    done = subprocess.run(
        [program, *words, folder / "doctrees", DOCS, folder / "html"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "html"


class Anchors(HTMLParser):
    """The names and the links of a page."""

    def __init__(self, text):
        super().__init__()
        self.names, self.links = {""}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.names |= {given.get("id", ""), given.get("name") or ""}
        self.links += [given[key] for key in ("href", "src") if given.get(key)]


@pytest.mark.thorough
@pytest.mark.reader("sphinx-build")
def test_every_link_and_anchor_of_the_built_pages_is_there(built):
    read = {path: Anchors(path.read_text("utf-8")) for path in built.rglob("*.html")}
    assert len(read) > len(pages())
    wrong = []
    for page, found in read.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (
                target in read and unquote(parts.fragment) not in read[target].names
            ):
                wrong.append((str(page.relative_to(built)), link))
    assert wrong == []


@pytest.mark.thorough
@pytest.mark.reader("sphinx-build")
def test_nothing_of_the_built_pages_is_fetched_from_elsewhere(built):
    for page in built.rglob("*.html"):
        text = page.read_text("utf-8")
        assert not re.search(r"<(script|img|link)[^>]+(src|href)=\"https?:", text), page


@pytest.mark.parametrize("page", pages())
def test_relative_links_of_the_sources_are_files(page):
    """As they are read on a code host, too."""
    text = re.sub(r"```.*?```", "", DOCS.joinpath(page).read_text("utf-8"), flags=re.DOTALL)
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        parts = urlsplit(link)
        if not parts.scheme and parts.path:
            target = (DOCS / page).parent / parts.path
            if not target.exists() or not target.resolve().is_relative_to(ROOT):
                wrong.append(link)
    assert wrong == []


def test_make_docs_takes_what_the_tests_build_with():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.split("[<>=]", item)[0] for item in wanted["optional-dependencies"]["docs"]}
    assert names == {item.partition("==")[0] for item in readers.PINS["sphinx"]["package"]}


def test_the_pages_name_addresses_of_the_web_by_https():
    for page in pages():
        for link in re.findall(r"\bhttp://[^\s)>`'\"]+", DOCS.joinpath(page).read_text("utf-8")):
            host = urlsplit(link).hostname or ""
            assert host.startswith("127.") or "." not in host, (page, link)


def test_every_page_has_one_title_and_stands_in_the_contents():
    index = DOCS.joinpath("index.md").read_text("utf-8")
    listed = re.findall(r"^(?:.* <)?([\w/-]+)>?$", index, re.MULTILINE)
    for page in pages():
        text = re.sub(r"```.*?```", "", DOCS.joinpath(page).read_text("utf-8"), flags=re.DOTALL)
        assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, page
        assert page == "index.md" or Path(page).with_suffix("").as_posix() in listed, page
