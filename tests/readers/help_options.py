"""Options of `llama-server --help`, by the spellings of each."""

import re
import subprocess
from functools import cache

import readers


@cache
def help_options():
    """A tuple of spellings for each option that the installed build lists."""
    done = subprocess.run(
        [readers.find("llama-server"), "--help"], capture_output=True, text=True, check=True
    )
    return tuple(listed(done.stdout))


def listed(text):
    """Lines that begin with an option hold its spellings, then its value, then two blanks."""
    for line in text.splitlines():
        if line.startswith("-") and not line.startswith("---"):
            head = re.split(r"  +(?=\S)|$", re.sub(r",  +", ", ", line))[0]
            yield tuple(re.findall(r"(?:^|[ ,])(--?[A-Za-z][\w.-]*)", head))
