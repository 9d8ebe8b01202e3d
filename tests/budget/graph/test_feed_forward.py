"""Feed-forward of dense layers (`build_ffn`)."""

import making
from making_facts import described, named, nodes
from msgspec.structs import replace

LLAMA = making.facts(layers=2)


def without(model, *names):
    kept = tuple(item for item in model.tensors if item.pattern not in names)
    return replace(model, tensors=kept)


def test_gate_and_up_are_multiplied_in_one_operation():
    scene = described(LLAMA)
    assert named(scene, "ffn_swiglu-0").ne == (512, 512, 1, 1)
    assert named(scene, "ffn_out-0").ne == (256, 512, 1, 1)
    assert len(nodes(scene, "GLU")) == 2


def test_the_last_layer_feeds_rows_of_outputs_alone():
    assert named(described(LLAMA), "ffn_swiglu-1").ne == (512, 1, 1, 1)


def test_norms_are_multiplied_by_their_weights():
    scene = described(LLAMA)
    assert named(scene, "ffn_norm-0").op == "MUL"
    assert len(nodes(scene, "RMS_NORM")) == 2 * 2 + 1


def test_a_scale_of_a_matrix_is_one_more_operation():
    scaled = replace(LLAMA, tensors=(*LLAMA.tensors, *(
        replace(LLAMA.tensors[-1], pattern="blk.#.ffn_up.scale", shape=(1,), type="f32", bytes_each=4),
    )))  # fmt: skip
    more = len(nodes(described(scaled), "MUL")) - len(nodes(described(LLAMA), "MUL"))
    assert more == 2
