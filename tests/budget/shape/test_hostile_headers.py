"""Numbers of a header that contradict each other are refused, whatever they are."""

import contextlib
import random

import pytest
from how_many import examples
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from oracle.comparison import all_facts

from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings, SettingRefused

SETTINGS = ServerSettings(ctx_size=512, ubatch_size=64)
WRONG = (0, 1, 2, 3, -1, 7, 2**31 - 1, 2**32 - 1, 2**63)


@pytest.mark.parametrize(
    ("model", "changed", "told"),
    [
        ("fixture/qwen35moe-moe", {"expert_used_count": 2**31 - 1}, "`expert_used_count` is 2147483647 of"),
        ("fixture/afmoe-moe", {"expert_used_count": 0}, "`expert_used_count` is 0 of"),
        ("fixture/glm5-next-moe", {"hyper_connection.count": 2**32 - 1}, "`hyper_connection.count` is 4294967295"),
        ("fixture/nemotron_h-dense", {"ssm.group_count": 0}, "make no graph"),
    ],
)  # fmt: skip
def test_message_names_the_number_or_says_that_there_is_no_graph(model, changed, told):
    facts = all_facts()[model]
    wrong = replace(facts, hyperparameters={**facts.hyperparameters, **changed})
    with pytest.raises(SettingRefused, match=told) as refused:
        estimate(wrong, SETTINGS)
    assert "damaged" in refused.value.hint


@examples(60)
@given(st.integers(0, 2**32))
def test_any_wrong_number_is_an_estimate_or_a_refusal(seed):
    source = random.Random(seed)
    name = source.choice([name for name in all_facts() if name.startswith("fixture/")])
    facts = all_facts()[name]
    header = dict(facts.hyperparameters)
    for key in source.sample(sorted(header), min(len(header), 2)):
        if type(header[key]) is int:
            header[key] = source.choice(WRONG)
        elif source.random() < 0.3:
            del header[key]
    with contextlib.suppress(SettingRefused):
        made = estimate(replace(facts, hyperparameters=header), SETTINGS)
        assert all(item.total >= 0 for item in made.memory), (name, header)
