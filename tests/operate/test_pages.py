"""The pages of a stack: which a plan has, and what a browser is sent to, with the real programs."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from tiny_stacks import Foreground, write_stack

from llmgen.cli.boundary import root
from llmgen.operate.status.pages import FRONTS

ALL = """
[apps.open_webui]
enable = true
secret_key = { file = "open-webui.key" }
[gateway.envoy]
enable = true
[gateway.litellm]
enable = true
"""
COMPOSE = """
runtime = "compose"
[containers]
user = "1000:1000"
[services.llama_swap]"""


def pages_of(folder, extra="", **settings):
    """What `show` lists."""
    settings = {"always": 9001, "swap": 9000, "llama_server": "/x", "llama_swap": "/x"} | settings
    write_stack(folder, extra=extra, **settings)
    done = CliRunner().invoke(root, ["-c", str(folder / "llm.toml"), "show", "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0, found["diagnostics"]
    return {page["name"]: page["url"] for page in found["data"]["pages"]}


def test_every_program_with_a_page_has_one(tmp_path):
    assert pages_of(tmp_path, ALL) == {
        "open-webui": "http://127.0.0.1:3000/",
        "llama-swap": "http://127.0.0.1:9000/ui/",
        "envoy": "http://127.0.0.1:9901/",
        "litellm": "http://127.0.0.1:4000/",
        "always": "http://127.0.0.1:9001/",
    }


def test_a_shell_offers_every_page(tmp_path):
    names = {*pages_of(tmp_path, ALL), *pages_of(tmp_path, ALL, on_demand="router")}
    assert names - {"always"} == {*FRONTS}


def test_litellms_own_page_needs_its_database(tmp_path):
    kept = 'extra = { general_settings = { database_url = "os.environ/DATABASE_URL" } }'
    assert pages_of(tmp_path, ALL + kept)["litellm"] == "http://127.0.0.1:4000/ui/"


def test_the_router_has_a_page_in_llama_swaps_place(tmp_path):
    assert pages_of(tmp_path, on_demand="router") == {
        "router": "http://127.0.0.1:9000/",
        "always": "http://127.0.0.1:9001/",
    }


def test_of_containers_only_the_published_pages_are_reached(tmp_path):
    changed = [("\n[services.llama_swap]", COMPOSE)]
    assert set(pages_of(tmp_path, ALL, changed=changed)) == {"open-webui"}


def opened(folder, *words):
    """llmgen open with a browser that only notes what it is told."""
    note = folder / "opened"
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {note}\n')
    browser.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "llmgen", "-c", folder / "llm.toml", "open", *words],
        cwd=folder,
        env={**os.environ, "BROWSER": f"{browser} %s"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, note.read_text().split() if note.exists() else []


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    found = Foreground(tmp_path_factory.mktemp("pages"))
    yield found
    found.end()


@pytest.mark.reader("llama-server")
@pytest.mark.reader("llama-swap")
def test_a_browser_is_sent_to_what_is_there(stack):
    url = f"http://127.0.0.1:{stack.values['swap']}/ui/"
    done, urls = opened(stack.folder, "llama-swap")
    assert (done.returncode, done.stdout.split(), urls) == (0, [url], [url])
    done, urls = opened(stack.folder, "llama-swap", "--print")
    assert (done.returncode, done.stdout.split(), done.stderr, len(urls)) == (0, [url], "", 1)


@pytest.mark.reader("llama-server")
@pytest.mark.reader("llama-swap")
def test_a_server_without_its_page_is_named(stack):
    """The tests' llama-server is compiled without its page."""
    done, urls = opened(stack.folder, "always")
    assert (done.returncode, done.stdout) == (4, "")
    assert "the page of `always` is not there: the program has no page" in done.stderr
    assert f"http://127.0.0.1:{stack.values['always']}/" not in urls


@pytest.mark.reader("llama-server")
@pytest.mark.reader("llama-swap")
def test_another_stacks_page_is_not_opened(stack, tmp_path):
    ports = {name: stack.values[name] for name in ("always", "swap", "first")}
    write_stack(tmp_path, **ports)
    done, urls = opened(tmp_path, "llama-swap")
    assert (done.returncode, done.stdout, urls) == (4, "", [])
    assert "is held by the stack of" in done.stderr


def test_what_does_not_run_is_not_opened(tmp_path, monkeypatch):
    write_stack(tmp_path, llama_server="/bin/false", llama_swap="/bin/false")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(root, ["open", "--json"])
    found = json.loads(done.stdout)
    lacks = {row["name"]: row["lacks"] for row in found["data"]["pages"]}
    assert lacks == {
        "llama-swap": "it does not run",
        "always": "it does not run",
        "report": "it is not written",
    }
    assert done.exit_code == 1
    done = CliRunner().invoke(root, ["open", "nonsense"])
    assert (done.exit_code, "there are llama-swap, always, report" in done.stderr) == (2, True)


def test_without_a_display_the_address_alone_is_printed(tmp_path, monkeypatch):
    write_stack(tmp_path, llama_server="/bin/false", llama_swap="/bin/false")
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert CliRunner().invoke(root, ["report"]).exit_code == 0
    done = CliRunner().invoke(root, ["open", "report"])
    assert done.exit_code == 0
    assert done.stdout == f"{(tmp_path / 'report.html').as_uri()}\n"
    assert done.stderr == "no browser was opened: there is no display, or no browser\n"
