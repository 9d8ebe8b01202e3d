"""Where errors become exit codes: LlmgenError, wrong usage, ^C, and a bug in llmgen."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from msgspec import Struct

from llmgen import __version__
from llmgen.cli import COMMANDS, GROUPS, KNOWN_AS
from llmgen.cli.examples import EXAMPLES
from llmgen.cli.frames import frames
from llmgen.cli.outcome import Outcome, envelope
from llmgen.cli.printable import printable, shown, tolerant
from llmgen.errors import Diagnostic, InputError, LlmgenError

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read

BUG, INTERRUPTED = 70, 130
# Set by the shell when it asks what may follow.
COMPLETE = "_LLMGEN_COMPLETE"
JSON_HELP = "One JSON document on standard output."
FILE_HELP = "llm.toml; a second one overlays the first."
HOST_HELP = "This host of [hosts]; several times for several."
HOST_VARIABLE = "LLMGEN_HOST"
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Session(Struct):
    """What the global options say; commands find it as the click context's object."""

    config: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    json: bool = False
    short: bool = False
    templates: str | None = None
    command: str = ""
    # llm.toml, where it has been read to see what the command is about.
    peeked: Read | None = None


class Commands(click.Group):
    """The group of all commands, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the commands in the order of the registry."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command's module; its click command is ``cli``."""
        if cmd_name not in COMMANDS:
            return None
        found = importlib.import_module(COMMANDS[cmd_name][0]).cli
        if not isinstance(found, click.Command):
            raise TypeError(cmd_name)
        found.name = cmd_name
        if cmd_name in EXAMPLES:
            found.epilog = f"\b\nExample: {EXAMPLES[cmd_name]}"
        if COMPLETE in os.environ:
            from llmgen.cli.complete import offer

            offer(found, cmd_name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for a wrong one, or what it is called here."""
        name = args[0] if args else ""
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = [KNOWN_AS[name]] if name in KNOWN_AS else get_close_matches(name, COMMANDS, 1)
            hint = f"; did you mean `llmgen {near[0]}`?" if near else ""
            ctx.fail(f"no command `{name}`{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them, an example with each group."""
        widest = max(map(len, COMMANDS))
        for title, example, names in GROUPS:
            with formatter.section(title):
                formatter.write_dl([(f"{name:{widest}}", COMMANDS[name][1]) for name in names])
                formatter.write_text(f"$ {example}")


def _colour(choice: str) -> bool | None:
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return None


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 the answer is no; 2 wrong usage; 3 llm.toml is invalid; "
    "4 something cannot be read, written or reached; 5 the plan does not fit; "
    "6 a file is not ours or was edited; 70 a bug in llmgen; 130 interrupted.",
)
@click.version_option(__version__, prog_name="llmgen")
@click.option(
    "-c",
    "--config",
    multiple=True,
    metavar="FILE",
    help="llm.toml; a second one overlays the first.",
)
@click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colour."
)
@click.option("--short", is_flag=True, help="One line for each diagnostic.")
@click.option(
    "--templates",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Templates laid over the built-in ones.",
)
@click.pass_context
def root(
    ctx: click.Context, config: tuple[str, ...], color: str, templates: str | None, *, short: bool
) -> None:
    """Turn one typed llm.toml into every configuration that your model servers need.

    Start with `llmgen init`, look with `llmgen show`, write with `llmgen generate`, put in place
    with `llmgen install`.
    """
    ctx.color = _colour(color)
    ctx.obj = Session(config=config, short=short, templates=templates)


def command(
    *,
    reads_config: bool = True,
    **settings: Any,  # noqa: ANN401 - click's own
) -> Callable[[Callable[..., Outcome]], click.Command]:
    """Make a click command named ``cli`` of a function that returns an Outcome.

    Adds ``--json``, and ``-c`` where the command reads llm.toml; the function's first argument is
    the Session.
    """

    def wrap(function: Callable[..., Outcome]) -> click.Command:
        @functools.wraps(function)
        def call(
            json: bool,
            config: tuple[str, ...] = (),
            hosts: tuple[str, ...] = (),
            **options: Any,  # noqa: ANN401
        ) -> None:
            ctx = click.get_current_context()
            session = ctx.find_object(Session) or Session()
            session.config = config or session.config
            session.hosts = hosts
            session.json = session.json or json
            session.command = ctx.command_path.partition(" ")[2]
            ctx.exit(_present(session, functools.partial(function, session, **options)))

        call = click.option("--json", "json", is_flag=True, help=JSON_HELP)(call)
        if reads_config:
            for option in (
                click.option(
                    "--host",
                    "hosts",
                    multiple=True,
                    metavar="NAME",
                    envvar=HOST_VARIABLE,
                    help=HOST_HELP,
                ),
                click.option("-c", "--config", multiple=True, metavar="FILE", help=FILE_HELP),
            ):
                call = option(call)
        made: click.Command = click.command(**settings)(call)
        return made

    return wrap


def _present(session: Session, call: Callable[[], Outcome]) -> int:
    try:
        outcome = call()
    except LlmgenError as error:
        return _show(session, error.exit_code, None, error.diagnostics)
    return _show(session, outcome.code, outcome, outcome.diagnostics)


def _show(
    session: Session, code: int, outcome: Outcome | None, diagnostics: tuple[Diagnostic, ...]
) -> int:
    """Write both streams; the exit code is another one where standard output takes nothing."""
    try:
        _write(session, code, outcome, diagnostics)
        sys.stdout.flush()
    except BrokenPipeError:
        # `llmgen show | head` has read enough. click would make a 1 of it, which means "no" here.
        discard_output()
    except OSError as error:
        discard_output()
        message = f"standard output cannot be written: {error.strerror}"
        found = Diagnostic("write.unwritable", message, hint="make room, or write elsewhere")
        click.echo(frames([found], short=session.short), err=True, nl=False)
        return InputError.exit_code
    return code


def discard_output() -> None:
    """Let what is still written to standard output go nowhere: its reader has read enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(
    session: Session, code: int, outcome: Outcome | None, diagnostics: tuple[Diagnostic, ...]
) -> None:
    data = outcome.data if outcome else None
    if session.json:
        click.echo(envelope(session.command, code, data, diagnostics), nl=False)
        return
    text = outcome.text if outcome else ""
    if not isinstance(text, str):
        text()
    elif text:
        click.echo(shown(text), nl=not text.endswith("\n"))
    if diagnostics:
        click.echo(frames(diagnostics, short=session.short), err=True, nl=False)
    if outcome and outcome.said:
        click.echo(printable(outcome.said), err=True)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run llmgen and exit with its code."""
    words = sys.argv[1:] if arguments is None else arguments
    # Python has no stream where the shell closed one (`>&-`).
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    tolerant(sys.stdout)
    tolerant(sys.stderr)
    # pydantic would look through every installed package for plugins; llmgen wants none of them.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    try:
        code = root.main(words, prog_name="llmgen", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = _interrupted(words)
    except click.ClickException as error:
        code = _usage(error, words)
    except Exception:  # noqa: BLE001 - the one boundary; here it means a bug in llmgen
        code = _bug(words)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupted(words: list[str]) -> int:
    found = Diagnostic("llmgen.interrupted", "interrupted", hint="run the same command again")
    if "--json" in words:
        click.echo(envelope("", INTERRUPTED, None, (found,)), nl=False)
    return INTERRUPTED


def _usage(error: click.ClickException, words: list[str]) -> int:
    if "--json" in words:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        hint = f"`{path or 'llmgen'} --help` lists what there is"
        found = Diagnostic("usage.wrong", error.format_message(), hint=hint)
        click.echo(envelope("", error.exit_code, None, (found,)), nl=False)
    else:
        error.show()
    return error.exit_code


def _bug(words: list[str]) -> int:
    hint = _report(words)
    kind, text, _ = sys.exc_info()
    message = f"a bug in llmgen: {kind.__name__ if kind else ''}: {text}"
    found = Diagnostic("llmgen.bug", message, hint=hint)
    if "--json" in words:
        click.echo(envelope("", BUG, None, (found,)), nl=False)
    else:
        click.echo(frames([found]), err=True, nl=False)
    return BUG


def _report(words: list[str]) -> str:
    """Write what happened into a private file; where it is, or why it is nowhere."""
    import tempfile
    import traceback

    text = f"llmgen {__version__}\nPython {sys.version}\n{words}\n\n{traceback.format_exc()}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="llmgen-", suffix=".log", delete=False, encoding="utf-8",
            errors="backslashreplace",
        ) as log:  # fmt: skip
            log.write(text)
    except OSError as error:
        return f"its report could not be written: {error.strerror}"
    return f"the report to send is in {log.name}"
