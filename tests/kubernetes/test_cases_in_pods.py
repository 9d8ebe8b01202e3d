"""What of the stacks of tests/cases no pod can be is said in words, which lead to one that can."""

import pytest
from case_stacks import ALWAYS, IMAGES, NO_MAC, POOL, STACKS, WRITTEN_OUT, scene_of
from made import objects, pod_specs

from llmgen.errors import LlmgenError

HEAD = "[kubernetes]\n"


def refused(name, *texts):
    with pytest.raises(LlmgenError) as caught:
        scene_of(name, HEAD, *texts)
    return {(item.code, item.key): item.hint for item in caught.value.diagnostics}


def test_a_mac_is_no_node_and_the_hint_names_one():
    ((found, hint),) = refused("apple-group", POOL).items()
    assert found == ("kubernetes.no-linux", ("hardware", "profile"))
    assert "[kubernetes.pools.gpu.hardware]" in hint
    # A card that is too small is refused like any plan.
    small = NO_MAC.replace("dgx-spark", "nvidia-24gb")
    assert {code for code, _ in refused("apple-group", POOL, small)} == {"budget.device-full"}


def test_other_programs_than_llama_server_are_not_in_its_image():
    found = refused("engines", POOL)
    assert found == {
        ("containers.on-demand-program", ("models", name)): found[
            "containers.on-demand-program", ("models", name)
        ]
        for name in IMAGES
    }
    assert all('`keep = "always"`' in hint for hint in found.values())


def test_what_a_pod_of_its_own_lacks_is_said():
    found = refused("engines", POOL, ALWAYS)
    assert {*found} == {("models.macro", ("models", "voice", "cmd_stop"))}
    found = refused("engines", POOL, ALWAYS, WRITTEN_OUT)
    lacking = {key[1] for _, key in found}
    assert {code for code, _ in found} == {"containers.no-image"}
    assert lacking <= {*IMAGES}
    assert {"coder", "voice"} <= lacking


@pytest.mark.parametrize("name", STACKS)
def test_every_model_of_a_case_is_in_a_pod(name):
    made = scene_of(name, HEAD, POOL, *STACKS[name])
    served = [model for app in made.serving for model in app.unit.models]
    assert sorted(served) == sorted(
        model for model, table in made.cluster.config.models.items() if table.enable
    )
    assert pod_specs(objects(made))
