"""The shared stack as fixtures, one for each engine."""

import pytest
import readers
from shared_stack import ENGINES, FIRST, make

OTHERS = [pytest.param(name, marks=pytest.mark.thorough) for name in ENGINES if name != FIRST]


@pytest.fixture(scope="session", params=[FIRST, *OTHERS])
def stack(request, tmp_path_factory):
    if request.param == "llama_swap" and readers.find("llama-swap") is None:
        pytest.skip("reader `llama-swap` is missing")
    with make(tmp_path_factory.mktemp(request.param), request.param) as made:
        yield made


@pytest.fixture(scope="session")
def lite(stack):
    """The same stack with LiteLLM as another front; it takes ten seconds to start."""
    stack.start("litellm")
    stack.wait("litellm", 90)
    return stack
