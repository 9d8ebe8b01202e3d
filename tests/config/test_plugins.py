import subprocess
import sys

import pytest

BEFORE = "from llmgen.config.plugins import look_for_none\nlook_for_none()\n"
MODEL = "import pydantic\nclass Model(pydantic.BaseModel):\n    x: int\nprint(Model(x=1).x)\n"


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_pydantic_validates_without_looking_for_plugins():
    seen = "import sys\nprint('importlib.metadata' in sys.modules)\n"
    assert run(BEFORE + MODEL + seen) == ["1", "False"]
    assert run(MODEL + seen) == ["1", "True"]


@pytest.mark.parametrize("name", ["entry_points", "_plugins"])
def test_what_else_is_wanted_of_the_loader_comes_from_pydantics_own(name):
    wanted = f"import sys\nfrom pydantic.plugin._loader import {name}\nprint(1)\n"
    assert run(BEFORE + wanted) == ["1"]
