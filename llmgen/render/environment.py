"""Templates become bytes; what goes wrong in one becomes a diagnostic with template and line."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from llmgen.errors import Diagnostic, InputError, Location
from llmgen.render.header import OWNER, comment
from llmgen.render.quoting import FILTERS

if TYPE_CHECKING:
    from jinja2 import Environment

    from llmgen.artifacts import Render


def make_render(overlay: Sequence[Path] = ()) -> Render:
    """Make the function that fills templates; folders of ``overlay`` win over llmgen's own.

    jinja2 is imported here, not with the module, so that commands without templates start sooner.
    """
    own = templates_folder()
    environment = make_environment((*overlay, own)) if overlay else _of_own(own)

    def render(template: str, /, **values: object) -> bytes:
        from jinja2 import TemplateError

        try:
            text = environment.get_template(template).render(values)
        # Beside jinja2's own errors, these are what an expression can raise.
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise InputError(_diagnostic(template, error)) from error
        return (text.rstrip("\n") + "\n").encode()

    return render


@cache
def _of_own(folder: Path) -> Environment:
    """Llmgen's own templates, each read once; a folder of the user's may change at any time."""
    return make_environment([folder])


def make_environment(folders: Sequence[Path]) -> Environment:
    """A jinja2 environment as every template expects it, over these folders, first one first."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from llmgen.render.compiled import compiled

    environment = Environment(
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  not HTML: every expression ends in a quoting filter
        auto_reload=False,
        # Templates print values and hold no arithmetic, so there is nothing to fold at the price
        # of a fifth of the time that compiling them takes.
        optimized=False,
        bytecode_cache=compiled(),
    )
    environment.filters |= FILTERS
    environment.filters["comment"] = comment
    environment.globals["owner"] = OWNER
    return environment


def templates_folder() -> Path:
    """The templates: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def _diagnostic(template: str, error: Exception) -> Diagnostic:
    from jinja2 import TemplateNotFound, TemplateSyntaxError

    match error:
        case TemplateSyntaxError():
            place = Location(error.filename or error.name or template, error.lineno, 1)
            sentence = error.message or "syntax error"
        case TemplateNotFound():
            return Diagnostic(
                "render.no-template",
                f"there is no template `{error.name}`",
                hint="name one of llmgen's own, or put it into the folder of `--templates`",
            )
        case _:
            place, sentence = Location(*_place(template, error), 1), str(error)
    return Diagnostic(
        "render.template",
        f"template `{place.file}` failed in line {place.line}: {sentence}",
        location=place,
        hint=_remedy(place.file),
    )


def _remedy(file: str) -> str:
    if Path(file).is_relative_to(templates_folder()):
        return "it is llmgen's own: please report it with the llm.toml"
    return "put the line right, or take the file out of the folder of `--templates`"


def _place(template: str, error: Exception) -> tuple[str, int]:
    """File and line of the innermost frame that is a template."""
    place, frame = (template, 1), error.__traceback__
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename
        if file.endswith(".j2"):
            place = (file, frame.tb_lineno)
        frame = frame.tb_next
    return place
