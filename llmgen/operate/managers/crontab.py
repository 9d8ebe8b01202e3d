"""The last resort without a service manager: one guarded block in a user's crontab."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from llmgen.apply.files import make_folder
from llmgen.artifacts import Artifact
from llmgen.errors import Diagnostic, InputError
from llmgen.layout import Layout
from llmgen.operate.installation.steps import Words
from llmgen.operate.managers.metrics_timer import metrics_words
from llmgen.operate.managers.sync_timer import sync_words
from llmgen.operate.programs import run

BEGIN = "# llmgen: begin (written by `llmgen install --cron`, removed by `llmgen uninstall`)"
END = "# llmgen: end"
# Started again when it is not there: `--if-down` ends at once when it is.
LOG = "cron.log"
EVERY = ("@reboot", "*/5 * * * *")


class Timed(Struct, frozen=True):
    """What else cron runs: seconds between the checks of [guard] and the runs of [sync].

    0 is never; ``stores`` are the variables that say where ``sync`` looks. ``figures`` is the file
    that `status --prometheus` is written to, empty: none.
    """

    guard: int = 0
    sync: int = 0
    stores: tuple[tuple[str, str], ...] = ()
    figures: str = ""


NOTHING_TIMED = Timed()


def with_block(
    text: str, words: Sequence[str], log: PurePosixPath, more: Sequence[tuple[str, Words]] = ()
) -> str:
    """The crontab with llmgen's block as its last lines; everything else as it was.

    ``more`` are further commands with the times at which they run.
    """
    lines = [*((when, words) for when in EVERY), *more]
    block = [BEGIN, *(f"{when} {_line(command, log)}" for when, command in lines), END]
    rest = without_block(text)
    gap = "" if not rest or rest.endswith("\n") else "\n"
    return rest + gap + "\n".join(block) + "\n"


def _line(words: Sequence[str], log: PurePosixPath) -> str:
    # cron ends the command at an unescaped per cent sign (crontab(5)).
    return f"{shlex.join(words)} >>{shlex.quote(str(log))} 2>&1".replace("%", "\\%")


def block_words(text: str) -> Words:
    """What the block of a crontab starts at boot; nothing where there is no block."""
    _, found, rest = text.partition(f"{BEGIN}\n{EVERY[0]} ")
    words = shlex.split(rest.partition("\n")[0].replace("\\%", "%")) if found else []
    # Behind them stands where they write.
    return tuple(words[:-2])


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


def keep_up(place: Layout, configs: Sequence[Path], timed: Timed = NOTHING_TIMED) -> None:
    """Write the block that starts the stack at boot and again when it is gone."""
    text, wanted = _both(place, configs, timed)
    make_folder(Path(place.state))
    if wanted != text:
        write_crontab(wanted)


def is_kept_up(place: Layout, configs: Sequence[Path], timed: Timed = NOTHING_TIMED) -> bool:
    """Whether the crontab has that block already."""
    text, wanted = _both(place, configs, timed)
    return text == wanted


def _both(place: Layout, configs: Sequence[Path], timed: Timed) -> tuple[str, str]:
    """The crontab now, and with the block."""
    named = [word for path in configs for word in ("-c", str(path))]
    own = (str(place.llmgen), *named)
    _refuse_line_ends(own)
    minutes = min(max(1, timed.guard // 60), 59)
    more: list[tuple[str, Words]] = []
    if timed.guard:
        more.append((f"*/{minutes} * * * *", (*own, "guard")))
    if timed.figures:
        told = metrics_words(str(place.llmgen), configs, PurePosixPath(timed.figures))
        _refuse_line_ends(told)
        more.append(("* * * * *", told))
    if timed.sync:
        words = sync_words(str(place.llmgen), configs, timed.stores)
        _refuse_line_ends(words)
        more.append((_when(timed.sync), words))
    text = read_crontab()
    return text, with_block(
        text, (*own, "up", "--foreground", "--if-down"), place.state / LOG, more
    )


def _when(seconds: int) -> str:
    """The nearest of what five fields can say: every so many minutes or hours, or once a day."""
    minutes = seconds // 60
    if minutes < 60:
        return f"*/{minutes} * * * *"
    return f"0 */{minutes // 60} * * *" if minutes < 24 * 60 else "0 4 * * *"


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


def kept_up() -> Words:
    """What cron keeps up for this user, as the words of its command; nothing without a block."""
    done = run(("crontab", "-l"), seconds=30)
    return block_words(done.output) if done.ok else ()


def let_go() -> None:
    """Take the block out again, where there is a crontab with one."""
    done = run(("crontab", "-l"), seconds=30)
    if done.ok and BEGIN in done.output:
        write_crontab(without_block(done.output))
