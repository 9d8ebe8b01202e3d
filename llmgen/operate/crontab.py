"""The last resort without a service manager: one guarded block in a user's crontab."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from llmgen.apply.files import make_folder
from llmgen.artifacts import Artifact
from llmgen.errors import Diagnostic, InputError
from llmgen.layout import Layout
from llmgen.operate.programs import run

BEGIN = "# llmgen: begin (written by `llmgen install --cron`, removed by `llmgen uninstall`)"
END = "# llmgen: end"
# Started again when it is not there: `--if-down` ends at once when it is.
EVERY = ("@reboot", "*/5 * * * *")


def with_block(text: str, words: Sequence[str], log: PurePosixPath) -> str:
    """The crontab with llmgen's block as its last lines; everything else as it was."""
    # cron ends the command at an unescaped per cent sign (crontab(5)).
    line = f"{shlex.join(words)} >>{shlex.quote(str(log))} 2>&1".replace("%", "\\%")
    block = [BEGIN, *(f"{when} {line}" for when in EVERY), END]
    rest = without_block(text)
    gap = "" if not rest or rest.endswith("\n") else "\n"
    return rest + gap + "\n".join(block) + "\n"


def without_block(text: str) -> str:
    """The crontab without llmgen's block; InputError when its end was lost."""
    if BEGIN not in text:
        return text
    before, _, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not end:
        raise InputError(
            Diagnostic(
                "operate.crontab-edited",
                f"the crontab has llmgen's first line and not its last, `{END}`",
                hint="`crontab -e`, and remove what llmgen left",
            )
        )
    return before + after


def without_units(
    wanted: Mapping[PurePosixPath, Artifact], folder: PurePosixPath
) -> dict[PurePosixPath, Artifact]:
    """What is left to install where no service manager reads units."""
    return {
        path: item
        for path, item in wanted.items()
        if not PurePosixPath("/", path).is_relative_to(folder)
    }


def read_crontab() -> str:
    """Read the user's crontab; empty when there is none."""
    done = run(("crontab", "-l"), seconds=30)
    if done.ok:
        return done.output
    if "no crontab" in done.errors:
        return ""
    raise InputError(
        Diagnostic(
            "operate.no-cron",
            f"the crontab cannot be read: {done.errors.strip()}",
            hint="install cron, or use systemd or launchd",
        )
    )


def write_crontab(text: str) -> None:
    """Replace the user's crontab; an empty one is removed."""
    done = run(("crontab", "-"), text=text, seconds=30) if text else run(("crontab", "-r"))
    if not done.ok:
        raise InputError(
            Diagnostic(
                "operate.no-cron",
                f"the crontab was refused: {done.errors.strip()}",
                hint="`cron.allow` and `cron.deny` say who may have one; or use systemd",
            )
        )


def keep_up(place: Layout, configs: Sequence[Path]) -> None:
    """Write the block that starts the stack at boot and again when it is gone."""
    named = [word for path in configs for word in ("-c", str(path))]
    words = [str(place.llmgen), *named, "up", "--foreground", "--if-down"]
    _refuse_line_ends(words)
    text = read_crontab()
    wanted = with_block(text, words, place.state / "cron.log")
    make_folder(Path(place.state))
    if wanted != text:
        write_crontab(wanted)


def _refuse_line_ends(words: Sequence[str]) -> None:
    """InputError for a path with a line end: what follows it would be a line of the crontab."""
    found = next((word for word in words if len(word.splitlines()) > 1), None)
    if found is not None:
        raise InputError(
            Diagnostic(
                "operate.line-end",
                f"`{found}` has a line end in its name, which a crontab cannot hold",
                hint="rename it",
            )
        )


def let_go() -> None:
    """Take the block out again, where there is a crontab with one."""
    done = run(("crontab", "-l"), seconds=30)
    if done.ok and BEGIN in done.output:
        write_crontab(without_block(done.output))
