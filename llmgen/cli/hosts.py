"""``--host``: one host of several, or all of them, from the whole llm.toml."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from llmgen.errors import Diagnostic, InputError, LlmgenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from llmgen.artifacts import Artifact, Tree
    from llmgen.cli.boundary import Session
    from llmgen.cli.pipeline import Read
    from llmgen.fleet.fleet import Fleet, Member


def only_host(found: Read, session: Session) -> Read:
    """The view of the host that is asked for; InputError where that is not one."""
    hosts = chosen(found, session)
    if not found.config.hosts:
        return found
    if len(hosts) != 1:
        raise InputError(
            Diagnostic(
                "hosts.which",
                f"llm.toml has {len(found.config.hosts)} hosts, and `{session.command}` is about "
                f"one at a time: {', '.join(found.config.hosts)}",
                hint=f"`--host {next(iter(found.config.hosts))}`",
            )
        )
    return view_of(found, fleet_of(found).members[hosts[0]])


def where(found: Read, model: str) -> Read:
    """The view of the host that serves a model; a usage error for a name that nobody has."""
    fleet = fleet_of(found)
    for member in fleet.members.values():
        if any(model in item.model.names for item in member.plan.placements):
            return view_of(found, member)
    raise click.UsageError(f"no model is called `{model}`")


def chosen(found: Read, session: Session) -> tuple[str, ...]:
    """The hosts that ``--host`` names, all of them without; a usage error for one that is none."""
    for name in session.hosts:
        refuse_unknown(found, name)
    return tuple(dict.fromkeys(session.hosts)) or tuple(found.config.hosts)


def refuse_unknown(found: Read, name: str) -> None:
    """A usage error for a host that llm.toml does not have."""
    known = found.config.hosts
    if not known:
        raise click.UsageError(f"llm.toml has no [hosts], so there is no host `{name}`")
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(name, known, 1)
        hint = f"did you mean `{near[0]}`?" if near else f"hosts are {', '.join(known)}"
        raise click.UsageError(f"no host `{name}`; {hint}")


def fleet_of(found: Read) -> Fleet:
    """Every host planned; errors with their places in the whole llm.toml."""
    from llmgen.cli.pipeline import read_lock
    from llmgen.cli.waiting import waiting
    from llmgen.config.load import merged
    from llmgen.fleet.build import fleet

    try:
        with waiting(f"planning {len(found.config.hosts)} hosts"):
            made: Fleet = fleet(found.config, merged(found.sources), read_lock(found))
    except LlmgenError as error:
        raise found.located(error) from None
    return made


def view_of(found: Read, member: Member) -> Read:
    """One host's own view."""
    return replace(found, config=member.config, member=member)


def notes(found: Read, fleet: Fleet, hosts: Iterable[str]) -> tuple[Diagnostic, ...]:
    """What is doubtful on these hosts, with places in llm.toml; what all say alike, once."""
    told = [*found.placed(fleet.notes)]
    for name in hosts:
        member = fleet.members[name]
        told += view_of(found, member).placed(member.plan.notes)
    return tuple(dict.fromkeys(told))


def tree_of(
    found: Read,
    fleet: Fleet,
    session: Session,
    hosts: Sequence[str],
    targets: Sequence[str] = (),
) -> Tree:
    """The files of these hosts, each host's in a folder of its name, with its own llm.toml."""
    from llmgen.artifacts import Tree
    from llmgen.cli.pipeline import filled, read_lock, renderer
    from llmgen.fleet.bundle import bundle
    from llmgen.fleet.text import Texts

    lock, texts, render = read_lock(found), Texts(), renderer(session)

    def files(member: Member) -> Iterator[Artifact]:
        # Its own llm.toml belongs to no target: it is there with all of them.
        if not targets:
            yield from bundle(member, lock, texts)
        yield from filled(view_of(found, member), member.plan, render, targets)

    return Tree(
        replace(item, path=PurePosixPath(name, item.path), target=owned(name, item.target))
        for name in hosts
        for item in files(fleet.members[name])
    )


def owned(host: str, target: str) -> str:
    """Whose files they are in the ledger of all hosts."""
    return f"{host}/{target}"
