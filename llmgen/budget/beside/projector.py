"""What a multimodal projector (mmproj) adds to the device that runs it."""

from __future__ import annotations

from typing import Final

from llmgen.budget.beside.additions import Addition
from llmgen.budget.memory import HOST
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.units import MIB

# Allowances for the graph of the largest image, from the server's own warm-up: 248 MiB for
# Gemma 4; projectors that take images of any size need more.
_FIXED: Final = 256 * MIB
_DYNAMIC: Final = 410 * MIB
_ANY_SIZE: Final = ("qwen", "pixtral", "kimi", "lfm2", "youtu", "paddleocr", "dots", "glm4v")


# The first build that is known to put a projector on the first device of --device (PR 23255);
# before, it is on the machine's first, whatever the list says (issue 15804).
_FOLLOWS_SINCE: Final = 11434


def projector_memory(facts: GgufFacts, settings: ServerSettings, build: int) -> Addition:
    """Exact weights, and an allowance for the graph, on the first device.

    Raises SettingRefused where the server would put it elsewhere.
    """
    home = settings.devices[0] if settings.mmproj_offload and settings.devices else HOST
    if build < _FOLLOWS_SINCE and home not in (HOST, "gpu0"):
        message = f"llama.cpp b{build} puts a projector on the machine's first device, not {home}"
        hint = "use `mmproj_offload = false`, or begin `device` with gpu0"
        raise SettingRefused("mmproj_offload", message, hint)
    kind = str(facts.hyperparameters.get("projector_type", ""))
    compute = _DYNAMIC if kind.startswith(_ANY_SIZE) else _FIXED
    return Addition("projector", home, sum(group.bytes_total for group in facts.tensors), compute)
