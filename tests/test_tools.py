"""`make lock`: what the repository's lock is made from."""

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def test_committed_lock_is_what_make_lock_writes(tmp_path):
    headers = tmp_path / "headers"
    shutil.copy(REPOSITORY / "llm.toml", tmp_path)
    for words in (
        [REPOSITORY / "tools" / "write_headers.py", headers],
        ["-m", "llmgen", "-c", tmp_path / "llm.toml", "lock", "--models", headers],
    ):
        done = subprocess.run(
            [sys.executable, *words], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    written = tmp_path.joinpath("llm.lock").read_bytes()
    assert written == REPOSITORY.joinpath("llm.lock").read_bytes(), "refresh it: make lock"
