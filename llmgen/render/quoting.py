"""How each reader wants its text quoted: one pure function for each syntax, used as filters."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from msgspec import Struct


class Unquotable(ValueError):
    """Text that cannot be written in a syntax; the message says which and why."""


# One encoder for every call: making one costs more than encoding a short text.
_encode_text = json.JSONEncoder(ensure_ascii=False).encode
# Characters that PyYAML and yaml.v3 refuse or change even inside double quotes.
_YAML_ESCAPED = re.compile(r"[^\x00-\x7e]")
# What is left of controls, noncharacters, halves of pairs, and marks of direction.
_NOT_IN_HTML = re.compile(
    r"[\x80-\x9f\ud800-\udfff\ufdd0-\ufdef\u200e\u200f\u202a-\u202e\u2066-\u2069]"
    "|["
    + "".join(chr(plane * 0x10000 + low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
# As html.escape writes them, whose module takes a list of all names of characters with it.
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_BARE_WORD = re.compile(r"[A-Za-z0-9_./:=,@%+-]+")
# What llama-swap fills in; the group keeps it when a word is split.
_MACRO = re.compile(r"(\$\{[A-Za-z0-9_.-]+\})")
_BARE_SHELL = re.compile(r"[A-Za-z0-9_./:=,@%+-]*")
# Texts whose quoted form is kept: the files of a fleet have the same names again and again.
_REMEMBERED = 4096


def yaml(value: object) -> str:
    """Write any JSON value so that every YAML reader gives it back; text in double quotes."""
    match value:
        case str():
            return _yaml_text(value)
        case bool() | int() | None:
            return json.dumps(value)
        case float():
            return number(value)
        case Mapping():
            pairs = (f"{yaml(str(key))}: {yaml(item)}" for key, item in value.items())
            return "{" + ", ".join(pairs) + "}"
        case Iterable():
            return "[" + ", ".join(yaml(item) for item in value) + "]"
        case _:
            return yaml(str(value))


@lru_cache(_REMEMBERED)
def _yaml_text(value: str) -> str:
    # Beyond the first plane JSON writes two halves, which YAML readers do not join.
    text = _encode_text(value)
    if text.isascii() and "\x7f" not in text:
        return text
    return _YAML_ESCAPED.sub(lambda found: _yaml_escape(ord(found[0])), text)


class Variable(Struct, frozen=True):
    """A value of compose.yaml that stands in its `.env`, with what follows it."""

    name: str
    rest: str = ""


def compose(value: object) -> str:
    """Write a value of compose.yaml, in which `$` begins the name of a variable."""
    match value:
        case Variable():
            # Compose ends with an error where it is not set.
            return f'"${{{value.name}:?}}{compose(value.rest)[1:]}'
        case str():
            return yaml(value.replace("$", "$$"))
        case Mapping():
            pairs = (f"{compose(str(key))}: {compose(item)}" for key, item in value.items())
            return "{" + ", ".join(pairs) + "}"
        case bool() | int() | float() | None:
            return yaml(value)
        case Iterable():
            return "[" + ", ".join(compose(item) for item in value) + "]"
        case _:
            return compose(str(value))


def compose_env(value: object) -> str:
    """Write a value of compose's `.env`: literal between single quotes, else with escapes."""
    text = str(value)
    _one_line(text, "an environment file")
    if text and _BARE_SHELL.fullmatch(text):
        return text
    if "'" not in text and not text.endswith("\\"):
        return f"'{text}'"
    return '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"'


def quadlet(value: object) -> str:
    """Write a whole value of a quadlet's key: no specifier, no variable of the unit."""
    text = str(value)
    _one_line(text, "a quadlet")
    return text.replace("%", "%%").replace("$", "$$")


def csv(pairs: Iterable[tuple[str, str]]) -> str:
    """Write pairs of key and value as CSV (podman's ``--mount``)."""
    fields = (f"{key}={value}" for key, value in pairs)
    return ",".join(
        '"' + item.replace('"', '""') + '"' if re.search(r'[,"]', item) else item for item in fields
    )


def _yaml_escape(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def number(value: float) -> str:
    """Write a float as JSON, YAML 1.1 and Go read it alike: ``1.0e-05``, not ``1e-05``."""
    if not math.isfinite(value):
        raise Unquotable(f"`{value}` is not a number that configuration files know")
    text = repr(float(value))
    mantissa, exponent, power = text.partition("e")
    if exponent and "." not in mantissa:
        return f"{mantissa}.0e{power}"
    return text


def words(argv: Iterable[str]) -> str:
    """Join words for llama-swap's POSIX splitter: one line, double quotes at need.

    Its macros stay as they are, outside of quotes: it fills them in before it splits.
    """
    return " ".join(word(item) for item in argv)


def word(text: str) -> str:
    """Quote one word of a command line for llama-swap on Linux and macOS."""
    if _BARE_WORD.fullmatch(text):
        return text
    _one_line(text, "a command line")
    parts = _MACRO.split(text)
    quoted = (part if index % 2 else _quoted(part) for index, part in enumerate(parts))
    return "".join(quoted) or '""'


def _quoted(text: str) -> str:
    """A part of a word; nothing where there is nothing to quote."""
    if not text or _BARE_WORD.fullmatch(text):
        return text
    return '"' + re.sub(r'([\\"$`])', r"\\\1", text) + '"'


def shell(value: object) -> str:
    """Quote the value of an assignment for a shell's ``.`` and systemd's ``EnvironmentFile=``.

    Both read single quotes literally; only a value that has one goes into double quotes, because
    systemd does not join adjacent quoted parts as shells do.
    """
    text = str(value)
    _one_line(text, "an environment file")
    if text and _BARE_SHELL.fullmatch(text):
        return text
    if "'" not in text:
        return f"'{text}'"
    return '"' + re.sub(r'([\\"$`])', r"\\\1", text) + '"'


def systemd(value: object) -> str:
    """Quote one value of a unit file (``Environment=``, a path): specifiers off, spaces kept."""
    text = str(value)
    _one_line(text, "a unit file")
    text = text.replace("%", "%%")
    if text and re.fullmatch(r"[A-Za-z0-9_./:=,@%+-]+", text):
        return text
    return '"' + re.sub(r'([\\"])', r"\\\1", text) + '"'


def systemd_path(value: object) -> str:
    """Write a path for ``EnvironmentFile=``, where quotes would belong to it and stars would match.

    Specifiers are off; a ``-`` may stand in front.
    """
    text = str(value)
    _one_line(text, "a unit file")
    return re.sub(r"([*?\[\\])", r"\\\1", text.replace("%", "%%"))


def systemd_argv(argv: Iterable[str]) -> str:
    """Join words for ``ExecStart=``: as ``systemd``, and no variable is expanded."""
    return " ".join(systemd(item.replace("$", "$$")) for item in argv)


def systemd_text(value: object) -> str:
    """Write free text of a unit file (``Description=``): one line, specifiers off."""
    return one_line(value).replace("%", "%%").rstrip("\\")


def containerfile(value: object) -> str:
    """Quote the value of ``ARG``, ``ENV`` or ``LABEL``: no variable of the build is expanded."""
    text = str(value)
    _one_line(text, "a Containerfile")
    return '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"'


def ini(value: object) -> str:
    """Write a value of llama-server's preset INI, which has no quoting at all."""
    text = str(value)
    _one_line(text, "models.ini")
    if text != text.strip():
        raise Unquotable(f"`{text}` begins or ends with a space, which models.ini would drop")
    if "#" in text or ";" in text:
        raise Unquotable(f"`{text}` has `#` or `;`, which begin a comment in models.ini")
    return text


def ini_section(value: object) -> str:
    """Write a section name of that INI; Unquotable when it cannot be one."""
    text = ini(value)
    if "]" in text:
        raise Unquotable(f"`{text}` has `]`, which ends a section name in models.ini")
    return text


def make(value: object) -> str:
    """Quote a word of a recipe of make: make itself reads ``$`` alone, its shell the rest."""
    text = str(value)
    _one_line(text, "a Makefile")
    if text and _BARE_WORD.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''").replace("$", "$$") + "'"


def markdown(value: object) -> str:
    """Escape text for a paragraph or table cell of Markdown."""
    return _markdown(str(value))


@lru_cache(_REMEMBERED)
def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|~#])", r"\\\1", one_line(text))


def markdown_code(value: object) -> str:
    """Write text as inline code of Markdown that survives a table cell."""
    return _markdown_code(str(value))


@lru_cache(_REMEMBERED)
def _markdown_code(value: str) -> str:
    text = one_line(value).replace("|", "\\|")
    fence = "``" if "`" in text else "`"
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def html(value: object) -> str:
    """Text of HTML or SVG, between tags or in a quoted attribute.

    What a parser of HTML would not take is replaced, and so is what turns the direction of a line
    around, which could make one name look like another.
    """
    line = _BREAKS.sub(" ", str(value))
    return _NOT_IN_HTML.sub("\ufffd", line).translate(_HTML)


def mermaid(value: object) -> str:
    """Quote a label of a Mermaid diagram."""
    text = one_line(value).replace("&", "&amp;").replace('"', "&quot;")
    return '"' + text.replace("<", "&lt;").replace(">", "&gt;") + '"'


def javascript(value: object) -> str:
    """Quote a string of JavaScript."""
    return json.dumps(str(value))


def one_line(value: object) -> str:
    """Text with every control character and line break as one space."""
    return _BREAKS.sub(" ", str(value)).strip()


def raw(value: object) -> str:
    """Honestly nothing: for text that was quoted when it was made."""
    return str(value)


def indented(text: object, width: int) -> str:
    """Lines of a macro, quoted already, moved to the right; without the last line's end."""
    lines = str(text).rstrip("\n").split("\n")
    return "\n".join(" " * width + line if line else line for line in lines)


def _one_line(text: str, where: str) -> None:
    if _CONTROL.search(text):
        raise Unquotable(
            f"{text!r} has a line break or control character, which {where} cannot hold"
        )


FILTERS = {
    "compose": compose,
    "compose_env": compose_env,
    "html": html,
    "quadlet": quadlet,
    "containerfile": containerfile,
    "indented": indented,
    "ini": ini,
    "ini_section": ini_section,
    "javascript": javascript,
    "make": make,
    "markdown": markdown,
    "markdown_code": markdown_code,
    "mermaid": mermaid,
    "one_line": one_line,
    "raw": raw,
    "shell": shell,
    "systemd": systemd,
    "systemd_argv": systemd_argv,
    "systemd_path": systemd_path,
    "systemd_text": systemd_text,
    "words": words,
    "yaml": yaml,
}
