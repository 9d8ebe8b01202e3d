"""Points of the hold-out whose rule was mended after they were drawn: bytes of the live program."""

import pytest

from llmgen.budget.estimate import estimate
from llmgen.budget.margin import REPLAYED
from llmgen.budget.settings import SettingRefused
from llmgen.units import MIB
from oracle import grid, points, published
from oracle.comparison import all_facts, said

Q8 = {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}
NEAR = {"kv_offload": False}
TWO = {"devices": ("gpu0", "gpu1")}

# Build, model, settings, compute bytes of the devices.
EXACT = (
    (11434, "olmo-3-7b", NEAR | {"ctx_size": 49152, "parallel": 2, "ubatch_size": 192}, [1233127680]),
    (11434, "olmo-3-7b", NEAR | {"ctx_size": 24576, "parallel": 2, "ubatch_size": 768}, [685777920]),
    (11434, "qwen2.5-7b", NEAR | {"ctx_size": 98304, "parallel": 2, "ubatch_size": 768}, [331883520]),
    (11434, "qwen3-8b", NEAR | Q8 | {"ctx_size": 24576, "parallel": 2, "ubatch_size": 768}, [198272000]),
    (9464, "llama-3.1-8b", NEAR | {"ctx_size": 24576, "parallel": 2, "ubatch_size": 768}, [188746752]),
    (9464, "gemma-3-4b", NEAR | Q8 | {"ctx_size": 24576, "parallel": 3, "ubatch_size": 384}, [72517120]),
    (11434, "glm-4.6", NEAR | {"ctx_size": 8192}, [226498560]),
    (11434, "llama-3.2-1b", NEAR | {"ctx_size": 16384, "embedding": True, "pooling": "last"}, [279451648]),
    (11434, "qwen3-embedding-0.6b", NEAR | TWO | {"parallel": 1}, [184555520, 245368832]),
    (11434, "lfm2-1.2b", {"ctx_size": 65536, "n_gpu_layers": 8}, [4634705952]),  # runs attention of the host
    (11434, "deepseek-v2-lite", {"ctx_size": 8192, "n_gpu_layers": 6, "n_cpu_moe": 999}, [69212160]),
    (11434, "gpt-oss-20b", {"ctx_size": 8192, "n_gpu_layers": 6, "n_cpu_moe": 999}, [61491200]),
    (11434, "devstral-2-123b", {"ctx_size": 16384, "n_gpu_layers": 2, "embedding": True}, [385888256]),
    (11434, "qwen3-0.6b", NEAR | TWO | {"ctx_size": 32768, "flash_attn": "off", "parallel": 1}, [1291851776, 1352665088]),
    (11434, "phi-3-mini", NEAR | TWO | {"ctx_size": 32768, "flash_attn": "off", "parallel": 1}, [2642417664, 2824865792]),
    (9464, "qwen3-vl-8b", NEAR | {"ctx_size": 8192, "parallel": 1}, [134225920]),
    (11434, "qwen3-vl-8b", NEAR | TWO | {"ctx_size": 8192, "parallel": 1}, [176074752, 100671488]),
    (11434, "qwen3-vl-8b", NEAR | {"ctx_size": 8192, "flash_attn": "off", "parallel": 1}, [712945664]),
    (11739, "qwen3-vl-8b", NEAR | {"ctx_size": 8192, "flash_attn": "off", "parallel": 1}, [687878144]),
    (11434, "deepseek-v2-lite", NEAR | TWO | {"ctx_size": 32768}, [167778176, 195036928]),
    (11434, "deepseek-v2-lite", NEAR | TWO | {"ctx_size": 65536, "flash_attn": "off", "parallel": 1}, [2558531456, 2623539072]),
    (9464, "deepseek-v3", NEAR | TWO | {"ctx_size": 65536}, [652216192, 588253184]),
    (11434, "kimi-k2", NEAR | {"ctx_size": 65536, "flash_attn": "off", "parallel": 1}, [9093257216]),
    (11434, "qwen3-8b", NEAR | {"ctx_size": 16384, "override_tensor": (("attn_", "CPU"),)}, [92274688]),
    (9464, "gpt-oss-20b", NEAR | {"ctx_size": 16384, "override_tensor": (("output", "CPU"),)}, [105646080]),  # sinks
)  # fmt: skip

# The same within two parts of a thousand.
CLOSE = (
    (11434, "gemma-3-12b", NEAR | TWO | {"ctx_size": 32768, "flash_attn": "off", "parallel": 1}, [1457528832, 1579157504]),
    (11434, "qwen3-30b-a3b", {"ctx_size": 16384, "n_gpu_layers": 2}, [58746912]),
    (11434, "qwen3-30b-a3b", {"ctx_size": 8192, "n_gpu_layers": 2, "n_cpu_moe": 999}, [50358304]),
    (11434, "deepseek-v3", {"ctx_size": 49152, "parallel": 3, "kv_unified": False, "ubatch_size": 256, "cache_type_k": "f32", "cache_type_v": "f32"}, [333550720]),
    (11434, "phi-4", {"ctx_size": 16384, "n_gpu_layers": 2}, [56109088]),
    (11434, "olmo-3-7b", {"ctx_size": 16384, "n_gpu_layers": 2}, [50341920]),
    (11434, "gpt-oss-20b", {"ctx_size": 16384, "n_gpu_layers": 3}, [118122528]),
    (9464, "gpt-oss-20b", {"ctx_size": 16384, "n_gpu_layers": 2}, [52185120]),
    (11434, "ernie-4.5-21b-a3b", {"ctx_size": 16384, "n_gpu_layers": 3}, [89139232]),
    (11434, "mixtral-8x7b", {"ctx_size": 32768, "n_gpu_layers": 1, "embedding": True, "pooling": "last"}, [99094560]),
    (11434, "glm-4.6", {"ctx_size": 131072, "flash_attn": "off", "n_gpu_layers": 2}, [2506752]),  # one that is not run
    (11434, "llama-3.2-3b", NEAR | {"ctx_size": 65536, "parallel": 1, "batch_size": 100, "flash_attn": "off"}, [929940672]),
    (11434, "falcon-h1-7b", NEAR | {"ctx_size": 65536}, [100669440]),
    (11434, "lfm2-1.2b", NEAR | {"ctx_size": 65536, "flash_attn": "on"}, [58787840]),
    (11434, "gemma-3n-e4b", {"ctx_size": 24576, "parallel": 2, "n_gpu_layers": 13}, [296749088]),
    (11434, "gemma-3n-e4b", {"ctx_size": 24576, "parallel": 2, "n_gpu_layers": 19}, [127944736]),
    (11434, "lfm2-1.2b", {"ctx_size": 6144, "parallel": 1, "n_gpu_layers": 8}, [438304800]),
    (11434, "lfm2-1.2b", {"ctx_size": 6144, "parallel": 1, "n_gpu_layers": 9}, [69216320]),
    (11434, "lfm2-1.2b", {"ctx_size": 65536, "n_gpu_layers": 3}, [83896384]),
    (11434, "lfm2-1.2b", TWO | {"ctx_size": 32768, "n_gpu_layers": 4}, [2319450144, 25296928]),
    (11434, "devstral-small-2-24b", Q8 | {"ctx_size": 24576, "parallel": 2}, [266434592]),
    (11434, "devstral-small-2-24b", {"ctx_size": 24576, "parallel": 2, "n_gpu_layers": 13, "embedding": True}, [278921216]),
    (11434, "devstral-small-2-24b", {"ctx_size": 24576, "parallel": 2, "n_gpu_layers": 13, "embedding": True, "pooling": "last"}, [302002208]),
)  # fmt: skip


# Attention that an option takes away from its layer, with the cache on the host, ends flash attention.
APART = (
    ("llama-3.2-1b", (("blk\\.0\\.attn_output", "CPU"),), [1178605568]),
    ("llama-3.2-1b", (("attn_q", "CPU"),), [83890176]),
    ("gpt-oss-20b", (("blk\\.[0-4]\\.", "CPU"),), [2266769408]),
    ("glm-4.6", (("blk\\.[0-4]\\.", "CPU"),), [3437234176]),
    ("command-a-111b", (("blk\\.\\d\\.attn", "CPU"),), [444596224]),
)


@pytest.mark.parametrize(("tokens", "compute"), [(251137, 2213617696), (260000, 1420894240)])
def test_more_cells_may_need_less(tokens, compute):
    asked = {
        "ctx_size": tokens,
        "parallel": 1,
        "ubatch_size": 2048,
        "flash_attn": "on",
        "embedding": True,
    }
    settings = grid.server_settings(asked | {"devices": ()})
    made = estimate(all_facts()["nemotron-3-nano-30b"], settings, 11434)
    assert [item.compute for item in made.memory] == [compute]


@pytest.mark.parametrize(("model", "moved", "devices"), APART)
def test_attention_away_from_its_layer_has_scores(model, moved, devices):
    setting = grid.server_settings(NEAR | {"ctx_size": 16384, "override_tensor": moved})
    made = estimate(all_facts()[model], setting, 11434)
    assert [item.compute for item in made.memory[1:]] == pytest.approx(devices, rel=0.06)


@pytest.mark.parametrize(("build", "model", "setting", "devices"), CLOSE)
def test_compute_is_that_of_the_program(build, model, setting, devices):
    made = estimate(all_facts()[model], grid.server_settings(setting), build)
    assert [item.compute for item in made.memory[1:]] == pytest.approx(devices, rel=0.002)


@pytest.mark.parametrize(("build", "model", "setting", "devices"), EXACT)
def test_replayed_blocks_leave_the_holes_of_the_program(build, model, setting, devices):
    made = estimate(all_facts()[model], grid.server_settings(setting), build)
    assert [item.compute for item in made.memory[1:]] == devices


@pytest.mark.parametrize(
    ("setting", "devices"),
    [
        ({"ctx_size": 131072, "parallel": 1}, [1820329984]),
        (TWO | {"ctx_size": 131072}, [733480960, 1321207840]),
    ],
)
def test_a_part_of_the_graph_holds_30_copies_of_borrowed_caches(setting, devices):
    made = estimate(all_facts()["gemma-4-e4b"], grid.server_settings(NEAR | setting), 9464)
    assert [item.compute for item in made.memory[1:]] == pytest.approx(devices, rel=0.05)


def test_a_server_without_flash_attention_has_scores_beside_its_cache():
    setting = grid.server_settings(NEAR | {"ctx_size": 16384, "flash_attn": "off", "parallel": 1})
    made = estimate(all_facts()["fixture/llama-dense"], setting, 11434)
    host = made.memory[0].compute
    server = 99.01 * MIB  # what llama-server b11434 logs; llama-fit-params has 35
    assert host + made.margin["host"] - REPLAYED.of(host) == pytest.approx(server, rel=0.02)


def test_copies_of_latent_rows_have_a_margin():
    setting = TWO | NEAR | {"parallel": 3, "kv_unified": True, "tensor_split": (1.0, 3.0)}
    made = estimate(all_facts()["kimi-linear-48b"], grid.server_settings(setting), 11434)
    assert made.memory[2].compute + made.margin["gpu1"] > 4788495104  # of the program


def test_a_wide_mask_lies_below_the_logits_of_an_embedding_server():
    setting = {"devices": (), "ctx_size": 16384, "embedding": True, "ubatch_size": 4096}
    wide = grid.server_settings(setting | {"batch_size": 4096})
    made = estimate(all_facts()["qwen3.6-27b-mtp"], wide, 10335)
    assert made.memory[0].compute == pytest.approx(4370628640, rel=0.0001)


@pytest.mark.parametrize(
    ("model", "device"),
    [("gpt-oss-20b", 2275940352), ("kimi-linear-48b", 157290496), ("deepseek-v2-lite", 116791168)],
)
def test_attention_follows_the_output_of_its_own_layers_alone(model, device):
    setting = NEAR | {"ctx_size": 16384, "override_tensor": (("output", "CPU"),)}
    made = estimate(all_facts()[model], grid.server_settings(setting), 11434)
    assert made.memory[1].compute == pytest.approx(device, rel=0.05)


def test_layers_that_borrow_a_cache_follow_their_query():
    setting = NEAR | {"ctx_size": 16384, "override_tensor": (("output", "CPU"),)}
    made = estimate(all_facts()["gemma-4-e4b"], grid.server_settings(setting), 11739)
    assert made.memory[1].compute == 462430208  # of the program


PUBLISHED = [
    asked
    for name in published.SETS
    for asked in points.read(grid.DATA / f"{name}-b11434.json.xz").asked()
]


@pytest.mark.parametrize(("facts", "point"), PUBLISHED, ids=[said(point) for _, point in PUBLISHED])
def test_published_models_have_the_bytes_of_the_program(facts, point):
    if "refused" in point.answer:
        with pytest.raises(SettingRefused):
            estimate(facts, point.settings, point.build)
        return
    made = estimate(facts, point.settings, point.build)
    found = [[item.model, item.context, item.compute] for item in made.memory]
    assert found == point.answer["memory"]


DRAWN = sorted(grid.DATA.glob("drawn-b*.json.xz"))


@pytest.mark.sample(5)
@pytest.mark.parametrize("path", DRAWN, ids=[path.name for path in DRAWN])
def test_drawn_shapes_have_the_bytes_of_the_program(path):
    wrong = []
    for facts, point in points.read(path).asked():
        try:
            made = estimate(facts, point.settings, point.build)
        except SettingRefused:
            found = None
        else:
            found = [[item.model, item.context, item.compute] for item in made.memory]
        if found != point.answer.get("memory"):
            wrong.append(said(point))
    assert len(DRAWN) >= 3
    assert wrong == []
