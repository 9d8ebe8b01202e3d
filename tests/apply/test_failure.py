"""What another user keeps is said to be unreadable, never broken and never absent."""

import pytest

from llmgen.apply import generations, ledger
from llmgen.errors import InputError


def closed(*_, **__):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    ("read", "method"),
    [
        (lambda folder: ledger.read_ledger(folder / "ledger.json"), "read_text"),
        (generations.generations, "iterdir"),
    ],
)
def test_what_another_user_keeps_is_unreadable(read, method, tmp_path, monkeypatch):
    monkeypatch.setattr(f"pathlib.Path.{method}", closed)
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    (found,) = caught.value.diagnostics
    assert (found.code, "`sudo llmgen`" in found.hint) == ("apply.unreadable", True)


def test_no_generations_are_none(tmp_path):
    assert generations.generations(tmp_path / "none") == []
