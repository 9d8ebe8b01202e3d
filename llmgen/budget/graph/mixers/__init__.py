"""What a layer has in the place of attention: state spaces, convolutions, delta rules, wkv."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from llmgen.budget.graph.mixers.delta_net import delta_net
from llmgen.budget.graph.mixers.short_convolution import short_convolution
from llmgen.budget.graph.mixers.state_space import mamba, mamba2, plamo2
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.states import States
from llmgen.budget.graph.tensor import Tensor

Mixer = Callable[[Scene, States, Tensor, int], Tensor]

# By the word of ``Recipe.mixer``.
MIXERS: Final[dict[str, Mixer]] = {
    "state space": mamba,
    "state space by heads": mamba2,
    "gated state space by heads": plamo2,
    "short convolution": short_convolution,
    "delta net": partial(delta_net, paired=False),
    "paired delta net": partial(delta_net, paired=True),
    "copied delta net": partial(delta_net, paired=False, copied=True),
}
