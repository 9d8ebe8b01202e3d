import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest
from making import config

from llmgen.errors import InputError
from llmgen.layout import layout
from llmgen.operate.managers import crontab
from llmgen.operate.managers.crontab import (
    BEGIN,
    END,
    keep_up,
    read_crontab,
    with_block,
    without_block,
    write_crontab,
)

LOG = PurePosixPath("/var/log/my log")
WORDS = ("/opt/ll m/llmgen", "-c", "/etc/50%.toml", "up")
MINE = "# mine\n0 5 * * 1 tar -zcf /var/backups/home.tgz /home/\n"


@pytest.mark.parametrize("mine", ["", MINE, MINE.rstrip("\n"), "\n\n# x\n"])
def test_what_others_wrote_comes_back(mine):
    back = without_block(with_block(mine, WORDS, LOG))
    assert back == mine if mine.endswith("\n") else back == mine + "\n" or not mine


def test_block_is_written_once():
    once = with_block(MINE, WORDS, LOG)
    assert with_block(once, WORDS, LOG) == once
    assert once.count(BEGIN) == once.count(END) == 1


def test_lines_behind_the_block_stay():
    text = with_block(MINE, WORDS, LOG) + "1 1 1 1 1 later\n"
    assert without_block(text) == MINE + "1 1 1 1 1 later\n"


def test_block_without_an_end_is_not_guessed_at():
    with pytest.raises(InputError, match="not its last"):
        without_block(f"{BEGIN}\n@reboot x\n{MINE}")


def test_per_cent_signs_are_escaped_for_cron():
    assert "/etc/50\\%.toml" in with_block("", WORDS, LOG)


@pytest.fixture
def empty_crontab():
    if not shutil.which("crontab"):
        pytest.skip("crontab is not installed")
    before = read_crontab()
    if before:
        pytest.skip("this user has a crontab")
    yield
    subprocess.run(["crontab", "-r"], capture_output=True, check=False)


@pytest.mark.reader("crontab")
@pytest.mark.usefixtures("empty_crontab")
def test_real_crontab_takes_the_block_and_gives_it_back():
    write_crontab(MINE)
    text = with_block(read_crontab(), WORDS, LOG)
    write_crontab(text)
    assert read_crontab() == text
    write_crontab(without_block(read_crontab()))
    assert read_crontab() == MINE
    write_crontab("")
    assert read_crontab() == ""


def test_path_with_a_line_end_adds_no_line_of_its_own():
    place = layout(config().paths, "user")
    with pytest.raises(InputError) as caught:
        keep_up(place, [Path("/tmp/x\n* * * * * sh evil/llm.toml")])
    assert caught.value.diagnostics[0].code == "operate.line-end"


@pytest.mark.parametrize(
    ("seconds", "when"),
    [(60, "*/1 * * * *"), (3599, "*/59 * * * *"), (7200, "0 */2 * * *"), (86400, "0 4 * * *")],
)
def test_sync_has_a_line_of_its_own(seconds, when, monkeypatch):
    written = []
    monkeypatch.setattr(crontab, "read_crontab", str)
    monkeypatch.setattr(crontab, "write_crontab", written.append)
    monkeypatch.setattr(crontab, "make_folder", lambda _: None)
    timed = crontab.Timed(sync=seconds, stores=(("OLLAMA_MODELS", "/srv/my models"),))
    place = layout(config().paths, "user")
    keep_up(place, [Path("/srv/llm.toml")], timed)
    (line,) = (item for item in written[0].splitlines() if " sync " in item)
    words = f"/usr/bin/env 'OLLAMA_MODELS=/srv/my models' {place.llmgen} -c /srv/llm.toml sync"
    assert line.startswith(f"{when} {words} >>")


def test_figures_for_prometheus_have_a_line_of_their_own(monkeypatch):
    written = []
    monkeypatch.setattr(crontab, "read_crontab", str)
    monkeypatch.setattr(crontab, "write_crontab", written.append)
    monkeypatch.setattr(crontab, "make_folder", lambda _: None)
    place = layout(config().paths, "user")
    keep_up(place, [Path("/srv/llm.toml")], crontab.Timed(figures="/var/lib/node/llmgen.prom"))
    (line,) = (item for item in written[0].splitlines() if " status " in item)
    words = f"{place.llmgen} -c /srv/llm.toml status --prometheus -o /var/lib/node/llmgen.prom"
    assert line.startswith(f"* * * * * {words} >>")
