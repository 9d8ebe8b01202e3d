"""What backends take for themselves."""

from typing import get_args

from llmgen.budget.beside.backend import BACKENDS, backend_overhead
from llmgen.config.tables.hardware import Backend


def test_every_backend_has_a_figure_with_its_source():
    assert set(BACKENDS) >= set(get_args(Backend)) - {"auto"}
    assert all(found.source for found in BACKENDS.values())


def test_a_backend_that_is_not_known_is_like_cuda():
    assert backend_overhead("sycl") == backend_overhead("cuda") > 0
