"""Sets that were loaded together elsewhere: in the matrix where they fit, else the sum is told."""

import pytest
from libraries import models, planned

from llmgen.errors import ConfigError

SMALL, LARGE = "ctx_size = 4096", "ctx_size = 32768"


def told(plan):
    return [item for item in plan.notes if item.code == "plan.not-together"]


def test_wish_that_fits_is_in_the_first_set_and_silent():
    wish = '[plan]\nwish_together = [["b", "c"]]\n'
    plan = planned(models("a", "b", "c", options=SMALL) + wish)
    assert plan.engines["box"].listed[0] == ("b", "c")
    assert told(plan) == []


def test_wish_that_does_not_fit_is_a_warning_with_its_sum():
    wish = '[plan]\nwish_together = [["a", "b"], ["a", "b", "c"]]\n'
    plan = planned(models("a", "b", "c", options=SMALL) + wish)
    (found,) = told(plan)
    size = plan.placement("a").footprint["gpu0"]
    pool = next(item for item in plan.pools if item.name == "gpu0")
    assert found.key == ("plan", "wish_together", 1)
    assert 2 * size <= pool.budget_bytes < 3 * size
    assert found.message.startswith("`a`, `b` and `c` are not loaded together: gpu0 has 23.5 GiB")
    parts = found.notes[0]
    assert [parts.count(f"(`{name}`)") for name in "abc"] == [1, 1, 1]


def test_pinned_and_always_on_models_are_in_the_sum():
    wish = '[plan]\nwish_together = [["a", "b"]]\n'
    text = models("a", "b", "c", options=SMALL, c='keep = "always"') + wish
    (found,) = told(planned(text))
    assert "(`c`)" in found.notes[0]


def test_wish_against_another_wish_names_it():
    wish = '[plan]\nwish_together = [["a", "b"]]\nnever_together = [["a", "b"]]\n'
    (found,) = told(planned(models("a", "b", options=SMALL) + wish))
    assert found.message.endswith("`a` and `b` must never meet")


def test_engine_that_cannot_be_told_of_a_set_says_so():
    # `a` and `b` fit, `b` and `c` do not: the router keeps any one.
    text = models("a", "b", "c", options=SMALL, c="parallel = 8")
    text = text.replace("ctx_size = 4096\nparallel", "ctx_size = 40960\nparallel")
    wish = '[services]\non_demand = "router"\n[plan]\nwish_together = [["a", "b"]]\n'
    (found,) = told(planned(text + wish))
    assert "cannot be told of every set that fits" in found.message
    assert told(planned(text + wish.replace("router", "llama_swap"))) == []


def test_wish_for_a_model_that_nobody_is_is_refused():
    with pytest.raises(ConfigError, match="no model is called `q`"):
        planned(models("a", options=SMALL) + '[plan]\nwish_together = [["a", "q"]]\n')
