"""How the process ends, whatever its streams still hold."""

import os
import subprocess
import sys

SCRIPT = """
import sys
from llmgen import __main__
from llmgen.cli import boundary
boundary.main = lambda: sys.exit({code})
sys.stdout.write("what nobody reads")
__main__.main()
"""


def test_a_command_whose_last_words_nobody_reads_has_its_own_code():
    for code in (0, 3):
        reader, writer = os.pipe()
        os.close(reader)
        # Python keeps what is written to a pipe, unless it is told otherwise.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
        words = [sys.executable, "-c", SCRIPT.format(code=code)]
        done = subprocess.run(
            words, stdout=writer, stderr=subprocess.PIPE, env=environment, check=False
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (code, b"")
