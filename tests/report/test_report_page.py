"""The page: strict HTML without anything from outside, whatever the models are called."""

import hashlib
import re
from base64 import b64encode
from functools import cache
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import html5lib
import pytest
import report_stacks as stacks

from llmgen.render.environment import make_render
from llmgen.report.data import report
from llmgen.report.page import page
from llmgen.report.picture import picture

STACKS = {
    "repository": stacks.repository(),
    "two cards": stacks.TWO_CARDS,
    "refused": stacks.REFUSED,
    "hostile": stacks.hostile(),
    "a hundred models": stacks.many(100),
}


@cache
def page_of(text):
    return page(stacks.report_of(text), make_render()).decode()


class Elements(HTMLParser):
    """Every element with its attributes, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.found, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("text", STACKS.values(), ids=STACKS)
def test_a_strict_parser_reads_it(text):
    html5lib.HTMLParser(strict=True).parse(page_of(text))


@pytest.mark.parametrize("text", STACKS.values(), ids=STACKS)
def test_nothing_is_from_outside_and_nothing_runs(text):
    for tag, attributes in Elements(page_of(text)).found:
        assert tag not in ("script", "link", "img", "iframe", "object", "embed", "base", "form")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src", "xlink:href", "srcset"):
            assert attributes.get(name, "#").startswith("#")


def test_the_policy_lets_this_style_in_and_nothing_else():
    text = page_of(stacks.repository())
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [
        attributes["content"]
        for tag, attributes in Elements(text).found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "@import" not in style
    assert not re.findall(r"url\((?!#)", style)


def test_texts_that_would_be_markup_are_text():
    told = "".join(Elements(page_of(stacks.hostile())).text)
    for text in stacks.HOSTILE:
        plain = re.sub("[\u202a-\u202e]", "\ufffd", text)
        assert told.count(plain) >= 2, text


def test_ids_are_there_once_and_links_lead_somewhere():
    for text in STACKS.values():
        found = Elements(page_of(text)).found
        ids = [attributes["id"] for _, attributes in found if "id" in attributes]
        assert len(ids) == len({*ids})
        links = {attributes["href"][1:] for _, attributes in found if "href" in attributes}
        assert links <= {*ids}


def test_the_same_plan_is_the_same_bytes():
    text = stacks.TWO_CARDS
    again = report(*stacks.judged_of.__wrapped__(text))
    assert page(again, make_render()).decode() == page_of(text)


def test_the_repository_s_page_is_small():
    assert len(page_of(stacks.repository()).encode()) < 300 * 1024


def test_size_grows_with_the_models_alone():
    small, large = (len(page_of(stacks.many(count))) for count in (250, 500))
    assert large < 2 * small


def test_refused_plan_says_what_is_missing_and_what_would_fit():
    told = "".join(Elements(page_of(stacks.REFUSED)).text)
    assert "Does not fit: 1.2 GiB missing on gpu0 and 892 MiB missing on gpu1" in told
    assert "Each was planned and fits" in told
    assert "pin = false for assistant" in told


@pytest.mark.parametrize("text", STACKS.values(), ids=STACKS)
def test_the_picture_is_svg_that_an_xml_parser_reads(text):
    made = picture(stacks.report_of(text), make_render())
    root = ET.fromstring(made)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert b"script" not in made.lower().replace(b"&lt;script&gt;", b"")
    for item in root.iter():
        assert not [name for name in item.attrib if name.endswith("href") or name.startswith("on")]
