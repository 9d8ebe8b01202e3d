"""The page in a real browser: three widths, light and dark, by keyboard, on paper; axe finds nothing.

Pictures are kept where LLMGEN_SCREENSHOTS names a folder.
"""

import os
import re
from pathlib import Path

import pytest
import readers
import report_stacks as stacks
from readers.chromium import chromium

from llmgen.render.environment import make_render
from llmgen.report.page import page

pytestmark = [pytest.mark.reader("chromium"), pytest.mark.reader("axe.min.js")]
STACKS = {
    "repository": stacks.repository,
    "two-cards": lambda: stacks.TWO_CARDS,
    "refused": lambda: stacks.REFUSED,
    "hostile": stacks.hostile,
    "many": lambda: stacks.many(70),
}
THOUSAND = "thousand"
WIDTHS, SCHEMES = (360, 900, 1600), ("light", "dark")
RIGHT, TAB = ("ArrowRight", 39), ("Tab", 9)
SHOWN = "[...document.querySelectorAll('.panel')].filter(p => p.checkVisibility()).map(p => p.id)"


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {}

    def path(name):
        if name not in made:
            made[name] = folder / f"{name}.html"
            text = stacks.many(1000) if name == THOUSAND else STACKS[name]()
            made[name].write_bytes(page(stacks.report_of(text), make_render()))
        return made[name]

    return path


def keep(browser, name):
    if folder := os.environ.get("LLMGEN_SCREENSHOTS"):
        browser.picture(Path(folder, f"{name}.png"))


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", STACKS)
def test_nothing_overflows_and_nothing_is_asked_for(browser, pages, name):
    for width in WIDTHS:
        for scheme in SCHEMES:
            browser.look(width, scheme=scheme)
            browser.open(pages(name))
            assert browser.ask("document.documentElement.scrollWidth") <= width
            assert browser.requests == [pages(name).resolve().as_uri()]
            assert browser.said == []
            keep(browser, f"{name}-{width}-{scheme}")


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", ["repository", "two-cards", "refused", "hostile"])
def test_nothing_overflows_when_all_is_open(browser, pages, name):
    for width in WIDTHS:
        browser.look(width)
        browser.open(pages(name))
        browser.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
        for state in range(browser.ask("document.querySelectorAll('.chip').length")):
            browser.ask(f"document.getElementById('s{state}').click()")
            assert browser.ask("document.documentElement.scrollWidth") <= width


# Of a thousand routes and models that are alike axe judges a dozen: of all it takes ten minutes.
ALIKE, JUDGED = (".model", ".route"), 12
FEW_LOOKS = [(360, "light"), (1600, "dark")]
# What has to be well in every look; beyond two of them only where there is time.
EVERY_LOOK = [
    pytest.param(name, width, scheme, marks=pytest.mark.thorough)
    for name in ("repository", "two-cards", THOUSAND)
    for width in WIDTHS
    for scheme in SCHEMES
    if name == THOUSAND or (width, scheme) not in FEW_LOOKS
]
JUDGEMENTS = [*((name, *look) for name in STACKS for look in FEW_LOOKS), *EVERY_LOOK]


@pytest.mark.sample(6)
@pytest.mark.parametrize(("name", "width", "scheme"), JUDGEMENTS)
def test_axe_finds_nothing(browser, pages, name, width, scheme):
    axe = readers.find("axe.min.js").read_text("utf-8")
    browser.look(width, scheme=scheme)
    browser.open(pages(name))
    if name == THOUSAND:
        for one in ALIKE:
            assert browser.ask(f"document.querySelectorAll('{one}').length") == 1000
            browser.ask(
                f"[...document.querySelectorAll('{one}')].slice({JUDGED}).forEach(x => x.remove())"
            )
    if name != "many":
        browser.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    browser.ask(f"{axe};1")
    found = browser.ask(
        "axe.run().then(r => ({wrong: r.violations.map(v => "
        "v.id + ': ' + v.nodes.map(n => n.html).join(' ').slice(0, 300)), "
        "passed: r.passes.map(p => p.id)}))"
    )
    assert found["wrong"] == []
    assert {"color-contrast"} <= {*found["passed"]}


def test_axe_would_find_something(browser, tmp_path):
    wrong = tmp_path / "wrong.html"
    wrong.write_text('<!DOCTYPE html><html><title>x</title><p style="color:#ccc">pale</p><img>')
    browser.open(wrong)
    browser.ask(f"{readers.find('axe.min.js').read_text('utf-8')};1")
    found = browser.ask("axe.run().then(r => r.violations.map(v => v.id))")
    assert {"color-contrast", "html-has-lang", "image-alt"} <= {*found}


def test_states_are_stepped_through_by_keyboard(browser, pages):
    browser.look(900)
    browser.open(pages("two-cards"))
    assert browser.ask(SHOWN) == ["p0"]
    browser.ask("document.getElementById('s0').focus()")
    for number in (1, 2, 3):
        browser.press(*RIGHT)
        assert browser.ask(SHOWN) == [f"p{number}"]
        assert browser.ask("document.activeElement.id") == f"s{number}"


def test_the_first_tab_skips_to_the_report(browser, pages):
    browser.look(900)
    browser.open(pages("two-cards"))
    browser.press(*TAB)
    assert browser.ask("document.activeElement.className") == "skip"


def test_what_a_screen_reader_is_told(browser, pages):
    """The accessible tree has the bars as sentences, the states as one group of radio buttons."""
    browser.look(900)
    browser.open(pages("two-cards"))
    browser.tell("Accessibility.enable")
    nodes = browser.tell("Accessibility.getFullAXTree")["nodes"]
    told = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    ]
    pictures = [name for role, name in told if role in ("img", "image")]
    assert any(
        re.match(r"gpu1: 17\.6 GiB of 23\.5 GiB used, 5\.9 GiB free\. ", one) for one in pictures
    )
    assert sum(role == "radio" for role, _ in told) == browser.ask(
        "document.querySelectorAll('.chip').length"
    )
    assert ("group", "State of memory") in told
    cells = [name for role, name in told if role in ("cell", "gridcell")]
    assert any("coder with oss: 12.0 GiB missing on gpu1" in name for name in cells)


def test_paper_has_every_state(browser, pages):
    browser.look(900, media="print")
    browser.open(pages("two-cards"))
    assert len(browser.ask(SHOWN)) == browser.ask("document.querySelectorAll('.panel').length")
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type /Page\b", pdf)) <= 30
    browser.look(900)


def test_hostile_texts_are_shown_and_do_nothing(browser, pages):
    browser.look(900)
    browser.open(pages("hostile"))
    assert browser.ask("document.scripts.length") == 0
    assert browser.ask("document.images.length") == 0
    shown = browser.ask("document.querySelector('#numbers').textContent")
    for text in stacks.HOSTILE:
        assert re.sub("[\u202a-\u202e]", "\ufffd", text) in shown


@pytest.mark.thorough
def test_a_thousand_models_are_a_page_of_a_few_screens(browser, pages):
    browser.look(360)
    browser.open(pages(THOUSAND))
    assert browser.ask("document.documentElement.scrollWidth") <= 360
    # Names stand in the open, where a browser's search finds them.
    names = "[...document.querySelectorAll('.model-name')]"
    assert browser.ask(
        f"{names}.filter(n => n.textContent.includes('m777') && n.checkVisibility()).length == 1"
    )
    assert browser.ask("document.querySelectorAll('.model').length") == 1000
    assert not browser.ask("document.querySelectorAll('.model[open]').length")
    browser.look(1600)
    assert browser.ask("document.documentElement.scrollWidth") <= 1600
    # Before the models, which are last, there are a few screens and not a thousand.
    assert browser.ask("document.querySelector('#numbers').offsetTop") < 9000
    keep(browser, "thousand-1600-light")
