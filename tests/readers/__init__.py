"""Where the real server programs are that tests check generated files with."""

import os
import shutil
import tomllib
from pathlib import Path

PINS = tomllib.loads(Path(__file__).with_name("pins.toml").read_text("utf-8"))


def find(program: str) -> Path | None:
    """The program at its pinned version, else the one on PATH, else None."""
    pin = pin_of(program)
    if "folder" in pin:
        for path in sorted(home().glob(f"{pin['folder']}/{pin['where']}/{program}")):
            return path
    # An ordinary user's PATH is without the folders of root's programs.
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    return Path(found) if found else None


def pin_of(program: str) -> dict:
    """The entry of pins.toml that has this program."""
    for pin in PINS.values():
        if program in pin["programs"]:
            return pin
    raise KeyError(f"{program} is in no entry of tests/readers/pins.toml")


def home() -> Path:
    """The folder of the installed readers."""
    told = os.environ.get("LLMGEN_READERS_DIR")
    return Path(told) if told else Path.home() / ".cache" / "llmgen" / "readers"


def installable(program: str) -> bool:
    """Whether `make readers` knows where to get it."""
    return not {
        "package",
        "apt",
        "npm",
        "wheel",
        "wheels",
        "sources",
        "build",
        "debs",
        "lock",
        "go",
        "module",
    }.isdisjoint(pin_of(program))


def required() -> bool:
    """Whether a missing reader is a failure (`LLMGEN_READERS=required`)."""
    return os.environ.get("LLMGEN_READERS") == "required"


def optional(program: str) -> bool:
    """Whether even then it may be missing."""
    return pin_of(program).get("optional", False)
