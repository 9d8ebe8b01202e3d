"""Templates of packaging/ filled in: a value that is missing is an error."""

import json

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from project import ROOT

TEMPLATES = ROOT / "packaging"


def fill(template, /, **values):
    """The text of a template below packaging/."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    # Ruby reads the strings of JSON; what begins an interpolation there is written otherwise.
    environment.filters["ruby"] = lambda text: json.dumps(text).replace("#", "\\#")
    return environment.get_template(template).render(values)
