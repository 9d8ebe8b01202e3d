"""State spaces: Mamba, Mamba 2 and PLaMo 2's (src/models/mamba-base.cpp, plamo2.cpp)."""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.mixers.convolution import convolved, joined, remembered
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.states import States
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.graph.weights import Undescribed

_NORMS = ("ssm_dt_norm", "ssm_b_norm", "ssm_c_norm")
# PLaMo 2 has at least as many elements for its time steps, and a sixteenth of a row.
_LEAST_STEPS = 64
_F32 = 4


class Sizes:
    """What the header says of state spaces."""

    def __init__(self, scene: Scene) -> None:
        """Read it. Raises Undescribed where it says nothing of them."""
        count = scene.model.header.count
        if not (count("ssm.inner_size") and count("ssm.time_step_rank")):
            raise Undescribed("ssm.inner_size")
        self.inner, self.state = count("ssm.inner_size"), count("ssm.state_size")
        self.rank, self.groups = count("ssm.time_step_rank"), count("ssm.group_count")
        self.slots, self.each = scene.slots, scene.tokens // scene.slots


def scanned(scene: Scene, states: States, parts: tuple[Tensor, ...], layer: int) -> Tensor:
    """Outputs of all tokens, and behind them the states, which are written back."""
    b, size = scene.b, Sizes(scene)
    x, dt, decay, inputs, outputs = parts
    elements = x.ne[0] * x.ne[1] * x.ne[2] * x.ne[3]

    def scan(rows: Tensor, which: Tensor) -> Tensor:
        state = b.reshape(rows, size.state, x.ne[0], x.ne[1], rows.ne[1])
        ne = (elements + size.state * size.inner * size.slots * scene.kept,)
        return b.made("SSM_SCAN", "f32", ne, state, x, dt, decay, inputs, outputs, which)

    result = states.load("s", layer, scan)
    states.store("s", layer, b.view(result, (size.state * size.inner * size.slots,), ()))
    return result


def mamba(scene: Scene, states: States, of: Tensor, layer: int) -> Tensor:
    """A state of its own for each channel (``build_mamba_layer``)."""
    b, size = scene.b, Sizes(scene)
    before = remembered(scene, states, layer, size.inner)
    both = linear(scene, "ssm_in", b.reshape(of, of.ne[0], size.each, size.slots), layer)
    half = (size.inner, *both.ne[1:3])
    x, gate = b.view(both, half, both.nb[1:3]), b.view(both, half, both.nb[1:3])
    wide = joined(scene, states, before, b.transpose(x), layer)
    x = convolved(scene, wide, scene.needed("ssm_conv1d.weight", layer))
    x = b.unary(b.add(x, scene.needed("ssm_conv1d.bias", layer)))
    mixed = linear(scene, "ssm_x", x, layer)
    dt = b.view(mixed, (size.rank, size.each, size.slots), mixed.nb[1:3])
    ne, nb = (size.state, 1, size.each, size.slots), (_F32 * size.state, *mixed.nb[1:3])
    inputs, outputs = b.view(mixed, ne, nb), b.view(mixed, ne, nb)
    if _normed(scene, layer):
        dt = norm(scene, "RMS_NORM", _NORMS[0], dt, layer)
        inputs = norm(scene, "RMS_NORM", _NORMS[1], inputs, layer)
        outputs = norm(scene, "RMS_NORM", _NORMS[2], outputs, layer)
    elif scene.follows(Rule.TIME_STEPS_COPIED):
        dt = b.cont(dt)
    dt = b.add(linear(scene, "ssm_dt", dt, layer), scene.needed("ssm_dt.bias", layer))
    heads = b.reshape(x, 1, size.inner, size.each, size.slots)
    parts = (heads, dt, scene.needed("ssm_a", layer), inputs, outputs)
    y = scanned(scene, states, parts, layer)
    y = b.view(y, (size.inner, size.each, size.slots), heads.nb[2:4])
    y = b.add(y, b.mul(x, scene.needed("ssm_d", layer)))
    y = linear(scene, "ssm_out", b.glu(b.cont(gate), y), layer)
    return b.reshape(y, y.ne[0], scene.tokens)


def _normed(scene: Scene, layer: int) -> bool:
    if scene.model.header.values.get("ssm.dt_b_c_rms"):
        return True
    return all(scene.weight(f"{name}.weight", layer) for name in _NORMS)


def mamba2(scene: Scene, states: States, of: Tensor, layer: int) -> Tensor:
    """A state for each head (``build_mamba2_layer``)."""
    b, size = scene.b, Sizes(scene)
    head, channels = size.inner // size.rank, size.inner + 2 * size.groups * size.state
    tokens = (size.each, size.slots)
    before = remembered(scene, states, layer, channels)
    if scene.follows(Rule.SLOTS_APART):
        both = linear(scene, "ssm_in", b.reshape(of, of.ne[0], *tokens), layer)
    else:
        both = linear(scene, "ssm_in", of, layer)
        both = b.reshape(both, both.ne[0], *tokens)
    gate = b.view(both, (head, size.rank, *tokens), (_F32 * head, *both.nb[1:3]))
    columns = b.view(both, (channels, *tokens), both.nb[1:3])
    dt = b.view(both, (size.rank, *tokens), both.nb[1:3])
    wide = joined(scene, states, before, b.transpose(columns), layer)
    mixed = convolved(scene, wide, scene.needed("ssm_conv1d.weight", layer))
    mixed = b.unary(b.add(mixed, scene.needed("ssm_conv1d.bias", layer)))
    x = b.view(mixed, (head, size.rank, *tokens), (_F32 * head, *mixed.nb[1:3]))
    ne, nb = (size.state, size.groups, *tokens), (_F32 * size.state, *mixed.nb[1:3])
    inputs, outputs = b.view(mixed, ne, nb), b.view(mixed, ne, nb)
    dt = b.add(b.cont(dt), scene.needed("ssm_dt.bias", layer))
    parts = (x, dt, scene.needed("ssm_a", layer), inputs, outputs)
    y = scanned(scene, states, parts, layer)
    row = x.nb[1] * size.rank
    y = b.view(y, (head, size.rank, *tokens), (x.nb[1], row, row * size.each))
    y = scene.call(b.add(y, b.mul(x, scene.needed("ssm_d", layer))), "mamba2_y_add_d", layer)
    y = b.glu(b.cont(gate), y)
    if scene.weight("ssm_norm.weight", layer):
        y = b.reshape(y, size.inner // size.groups, size.groups, *tokens)
        y = norm(scene, "RMS_NORM", "ssm_norm", y, layer)
    rows = tokens if scene.follows(Rule.SLOTS_APART) else (scene.tokens,)
    y = linear(scene, "ssm_out", b.reshape(y, size.inner, *rows), layer)
    y = b.reshape(y, y.ne[0], scene.tokens) if len(rows) > 1 else y
    return scene.call(y, "mamba_out", layer)


def plamo2(scene: Scene, states: States, of: Tensor, layer: int) -> Tensor:
    """Gate and input head by head, and norms (``build_plamo2_mamba_layer``)."""
    b, size = scene.b, Sizes(scene)
    head, tokens = size.inner // size.rank, (size.each, size.slots)
    before = remembered(scene, states, layer, size.inner)
    both = linear(scene, "ssm_in", b.reshape(of, of.ne[0], *tokens), layer)
    both = b.cont(b.permute(both, 0, 2, 1, 3), 2 * head, size.rank, *tokens)
    heads = (head, size.rank, *tokens)
    x = b.cont(b.view(both, heads, both.nb[1:4]), size.inner, *tokens)
    gate = b.view(both, heads, both.nb[1:4])
    wide = joined(scene, states, before, b.transpose(x), layer)
    x = b.unary(convolved(scene, wide, scene.needed("ssm_conv1d.weight", layer)))
    mixed = linear(scene, "ssm_x", x, layer)
    inputs = b.view(mixed, (size.state, *tokens), mixed.nb[1:3])
    outputs = b.view(mixed, (size.state, *tokens), mixed.nb[1:3])
    steps = max(_LEAST_STEPS, scene.embedding // 16)
    dt = b.view(mixed, (steps, *tokens), mixed.nb[1:3])
    inputs = norm(scene, "RMS_NORM", "ssm_b_norm", inputs, layer)
    outputs = norm(scene, "RMS_NORM", "ssm_c_norm", outputs, layer)
    dt = norm(scene, "RMS_NORM", "ssm_dt_norm", dt, layer)
    dt = b.add(linear(scene, "ssm_dt", dt, layer), scene.needed("ssm_dt.bias", layer))
    decay = b.reshape(scene.needed("ssm_a", layer), 1, size.rank)
    row = _F32 * size.inner
    x = b.view(x, heads, (_F32 * head, row, row * size.each))
    ne = (size.state, 1, *tokens)
    inputs = b.view(inputs, ne, (_F32 * size.state, *inputs.nb[1:3]))
    outputs = b.view(outputs, ne, (_F32 * size.state, *outputs.nb[1:3]))
    y = scanned(scene, states, (x, dt, decay, inputs, outputs), layer)
    y = b.view(y, heads, (_F32 * head, row, row * size.each))
    y = b.add(y, b.mul(x, b.reshape(scene.needed("ssm_d", layer), 1, size.rank)))
    y = b.glu(b.cont(gate), y)
    y = b.view(y, (size.inner, *tokens), y.nb[2:4])
    y = linear(scene, "ssm_out", y, layer)
    return scene.call(b.reshape(y, y.ne[0], scene.tokens), "mamba_out", layer)
