"""Values of a header: what is a size, what stands for all layers, what is refused."""

import pytest

from llmgen.budget.settings import SettingRefused
from llmgen.budget.shape.header import Header


def header(**values):
    return Header(values)


def test_a_number_that_is_missing_has_a_default_and_a_needed_one_is_refused():
    assert header().count("block_count", 7) == 7
    with pytest.raises(SettingRefused, match="has no `block_count`"):
        header().needed("block_count")


def test_of_a_list_the_first_element_is_the_number():
    assert header(a=(3, 1)).count("a") == 3
    assert header(a=()).count("a", 5) == 5


@pytest.mark.parametrize("value", [-1, 2**32, 1.5, "many"])
def test_what_no_32_bits_hold_is_refused(value):
    with pytest.raises(SettingRefused) as refused:
        header(a=value).count("a")
    assert refused.value.key == "model"
    assert header(a=2**32 - 1).count("a") == 2**32 - 1


def test_one_number_stands_for_every_layer():
    assert header(a=8).layered("a", 3) == (8, 8, 8)
    assert header().layered("a", 2, 1) == (1, 1)


def test_a_list_has_one_number_for_each_layer_and_may_have_more():
    assert header(a=(1, 2, 3)).layered("a", 2) == (1, 2)
    with pytest.raises(SettingRefused, match="3 elements for 4 layers"):
        header(a=(1, 2, 3)).layered("a", 4)


def test_the_largest_of_a_list_or_the_number_itself():
    assert header(a=(1, 9, 3)).most("a") == 9
    assert header(a=4).most("a") == 4
    assert header().most("a") == 0


def test_a_single_number_is_no_list():
    assert header(a=4).listed("a") == ()
    assert "a" in header(a=4)
