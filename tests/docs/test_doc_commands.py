"""Every command line of docs/ is run, or says why it is not and is at least one that llmgen takes."""

import shlex

import click
import pytest

from docs.page_stages import SERVERS, STAGES
from docs.pages import NOT_HERE, blocks, pages
from docs.stages import Stage, prepared
from llmgen.cli.boundary import root

ALL = [block for page in pages() for block in blocks(page)]
RUN = sorted({block.page for block in ALL if not block.not_run})


def every_page():
    """One of them is quick; each of the others takes as long as a dozen commands do."""
    for page in RUN:
        marks = [] if page == "how-to/mac.md" else [pytest.mark.thorough]
        if page != "tutorial.md":
            yield pytest.param(page, marks=marks)


@pytest.mark.parametrize("page", [*every_page()])
def test_every_command_of_a_page_prints_what_it_says(page, tmp_path):
    with prepared(STAGES.get(page, Stage()), tmp_path) as terminal:
        for block in blocks(page):
            if not block.not_run:
                terminal.run(block)
        terminal.end()


@pytest.mark.thorough
def test_the_tutorial_plans_the_model_as_it_says(tmp_path):
    """Of the real model's shape, to the digit, until it would be downloaded."""
    with prepared(STAGES["tutorial.md"], tmp_path) as terminal:
        for block in blocks("tutorial.md"):
            if "llmgen pull" in [command.line for command in block.commands]:
                return
            if not block.not_run:
                terminal.run(block)
    pytest.fail("the tutorial downloads nothing")


@pytest.mark.thorough
@pytest.mark.reader(*SERVERS)
def test_the_tutorial_comes_to_an_answer(tmp_path):
    """All of it, with a small model behind the real servers: only numbers may differ."""
    with prepared(Stage(programs=SERVERS, tiny=True), tmp_path) as terminal:
        for block in blocks("tutorial.md"):
            if not block.not_run:
                terminal.run(block)
        terminal.end()


NOT_RUN = [block for block in ALL if block.not_run]


@pytest.mark.parametrize("block", NOT_RUN, ids=str)
def test_what_is_not_run_here_says_why_and_can_be_parsed(block):
    """Each has a test of its own, so that what is left out is counted and named."""
    assert block.not_run in NOT_HERE
    for command in block.commands:
        for words in simple_commands(command.line):
            if words[0] == "llmgen":
                parse(words[1:])


def test_no_reason_is_left_over():
    assert {block.not_run for block in NOT_RUN} == set(NOT_HERE)


def simple_commands(line):
    """The commands of a shell's line: of lists, pipes and sudo."""
    words = []
    for word in (*shlex.split(line, comments=True), ";"):
        if word in {"&&", "||", "|", ";"}:
            if words:
                yield words
            words = []
        elif words or word != "sudo":
            words.append(word)


def parse(words):
    """What click makes of the words of an llmgen command; it raises for those that it refuses."""
    context = root.make_context("llmgen", [*words])
    _, command, rest = root.resolve_command(context, [*context._protected_args, *context.args])
    while isinstance(command, click.Group):
        context = command.make_context(command.name, rest, parent=context)
        rest = [*context._protected_args, *context.args]
        _, command, rest = command.resolve_command(context, rest)
    return command.make_context(command.name, rest, parent=context)
