"""Models on several devices are told their shares, and planned with the same."""

import ctypes
from contextlib import suppress
from itertools import islice
from random import Random

import drawn
import pytest
from how_many import examples
from hypothesis import given
from hypothesis import strategies as st
from libraries import SHAPE, TWO_CARDS, models, planned
from making import config
from oracle.headers import write_header
from published import planned as published_stack

from llmgen.budget.memory import HOST
from llmgen.budget.server.placement import layer_shares, place_layers
from llmgen.budget.settings import ServerSettings
from llmgen.errors import ConfigError, LlmgenError, PlanError
from llmgen.facts.local import read_model
from llmgen.plan import choices
from llmgen.plan.balance import balanced, divisions
from llmgen.plan.gap import Gap, gap
from llmgen.plan.place import place
from llmgen.plan.scale import scale
from llmgen.plan.splits import divided
from llmgen.plan.trial import trial_of
from llmgen.render.environment import make_render
from llmgen.resolve import resolve
from llmgen.targets import llama_server, llama_swap


def cards(*sizes, reserve="0"):
    devices = ", ".join(f'{{ memory = "{size}", reserve = "{reserve}" }}' for size in sizes)
    return f"""
edition = 1
[hardware]
host = "box"
os = "linux"
backend = "cuda"
memory = "256GiB"
process_overhead = "0"
devices = [{devices}]
[paths]
home = "/home/llm"
"""


def option(placed, flag):
    return placed.argv[placed.argv.index(flag) + 1] if flag in placed.argv else None


def split(text, head=TWO_CARDS, name="a"):
    return option(planned(text, head=head).placement(name), "--tensor-split")


def test_absent_key_is_what_each_device_has_in_whole_layers():
    # 21 layers with the output on 24 and 12 GiB.
    assert split(models("a", options="ctx_size = 4096")) == "14,7"


def test_reserves_are_not_for_models():
    head = cards("24GiB", "14GiB", reserve="2GiB")
    # 22 and 12 GiB: 13.6 and 7.4 layers.
    assert split(models("a", options="ctx_size = 4096"), head) == "14,7"
    assert split(models("a", options="ctx_size = 4096"), cards("24GiB", "14GiB")) == "13,8"


@pytest.mark.parametrize("kept", ['keep = "always"', "pin = true"])
def test_residents_are_not_for_models(kept):
    text = models("a", "b", options="ctx_size = 4096", b=f'device = ["gpu0"]\n{kept}')
    plan = planned(text, head=TWO_CARDS)
    room = {item.pool.name: item.pool.budget_bytes for item in plan.headroom}
    left = (room["gpu0"] - plan.placement("b").footprint["gpu0"], room["gpu1"])
    wanted = layer_shares(21, left)
    assert wanted != (14, 7)
    assert split(text) == ",".join(map(str, wanted))


def test_residents_without_shares_follow_each_other():
    text = models("a", "b", options='ctx_size = 512\nkeep = "always"\ncache_ram = 0')
    plan = planned(text, head=cards("24GiB", "12GiB"))
    first = plan.placement("a").footprint
    assert option(plan.placement("a"), "--tensor-split") == "14,7"
    left = [size * 2**30 - first[key] for size, key in ((24, "gpu0"), (12, "gpu1"))]
    assert plan.placement("b").settings.tensor_split == layer_shares(21, left)


def test_full_device_gets_no_layer():
    text = models("a", "b", options="ctx_size = 256", b='device = ["gpu1"]\nkeep = "always"')
    head = cards("24GiB", "8500MiB")
    plan = planned(text, head=head)
    assert plan.placement("b").footprint["gpu1"] > 8100 * 2**20
    assert plan.placement("a").settings.tensor_split == (21.0, 0.0)


@pytest.mark.parametrize(
    "keys", ['device = ["gpu0"]', "n_gpu_layers = 0", 'split_mode = "none"', 'device = "auto"']
)
def test_one_device_or_none_has_no_shares(keys):
    assert split(models("a", options=f"ctx_size = 4096\n{keys}")) is None


def test_only_layers_that_leave_the_host_are_shared():
    assert split(models("a", options="ctx_size = 4096\nn_gpu_layers = 6")) == "4,2"


def test_own_shares_are_kept_and_shares_of_nothing_are_none():
    assert split(models("a", options="ctx_size = 4096\ntensor_split = [3, 1.5]")) == "3,1.5"
    assert split(models("a", options="ctx_size = 4096\ntensor_split = [0, 0]")) == "14,7"


def test_shares_follow_open_values():
    text = models("a", options='ctx_size = 98304\nn_gpu_layers = "auto"\ndevice = "auto"')
    (placed,) = planned(text, head=TWO_CARDS).placements
    assert 0 < placed.settings.n_gpu_layers < 21
    assert sum(placed.settings.tensor_split) == placed.settings.n_gpu_layers


def test_reason_is_told_where_llm_toml_says_nothing():
    def told(keys=""):
        text = models("a", options=f"ctx_size = 4096\n{keys}")
        (placed,) = planned(text, head=TWO_CARDS).placements
        return [item for item in placed.reasons if item.key == "tensor_split"]

    (found,) = told()
    assert (found.value, "gpu0 and gpu1" in found.why) == ("14, 7", True)
    assert told("tensor_split = [1, 1]") == told('device = ["gpu0"]') == []
    (settled,) = told('tensor_split = "auto"')
    assert settled.why != found.why


def test_every_form_of_the_command_has_them():
    text = models("a", "b", options="ctx_size = 4096", b='keep = "always"\ndevice = ["gpu1"]')
    plan = planned(text, head=TWO_CARDS)
    wanted = option(plan.placement("a"), "--tensor-split")
    (swap,) = llama_swap.artifacts(plan, make_render("llama_swap"))
    assert f"--tensor-split {wanted}" in swap.content.decode()
    router = planned(f'{text}\n[services]\non_demand = "router"\n', head=TWO_CARDS)
    files = {
        item.path.name: item.content.decode()
        for item in llama_server.artifacts(router, make_render("llama_server"))
    }
    assert f"tensor-split = {wanted}\n" in files["models.ini"]
    both = models("c", options='ctx_size = 4096\nkeep = "always"')
    alone = planned(both, head=TWO_CARDS)
    (conf,) = llama_server.artifacts(alone, make_render("llama_server"))
    assert "LLAMA_ARG_TENSOR_SPLIT=14,7\n" in conf.content.decode()


DRAFT = 'ctx_size = 4096\ndraft = { model = "d.gguf"'


def test_draft_is_divided_by_the_shares_of_its_model():
    (placed,) = planned(models("a", options=DRAFT + " }"), head=TWO_CARDS).placements
    assert option(placed, "--tensor-split") == "14,7"
    assert option(placed, "--spec-draft-device") == "CUDA0,CUDA1"
    alone = planned(models("a", options="ctx_size = 4096"), head=TWO_CARDS).placement("a")
    drafted = {item.device: item.model for item in placed.estimate.memory}
    for item in alone.estimate.memory:
        assert drafted[item.device] == 2 * item.model


def test_draft_on_devices_in_another_order_takes_the_shares_in_that_order():
    text = models("a", options=DRAFT + ', device = ["gpu1", "gpu0"] }')
    (placed,) = planned(text, head=TWO_CARDS).placements
    assert option(placed, "--spec-draft-device") == "CUDA1,CUDA0"
    same = planned(models("a", options=DRAFT + " }"), head=TWO_CARDS).placement("a")
    context = {item.device: item.context for item in placed.estimate.memory}
    both = {item.device: item.context for item in same.estimate.memory}
    layer = both["gpu0"] // 28
    # The output, the last of 21, has no cache: 14 and 6 layers, then 6 and 14.
    assert (both["gpu0"], both["gpu1"]) == (28 * layer, 12 * layer)
    assert (context["gpu0"], context["gpu1"]) == (20 * layer, 20 * layer)


def test_draft_alone_on_several_devices_is_refused():
    text = models("a", options=DRAFT + ', device = ["gpu0", "gpu1"] }\ndevice = ["gpu0"]')
    with pytest.raises(PlanError) as caught:
        planned(text, head=TWO_CARDS)
    (found,) = caught.value.diagnostics
    assert (found.code, found.key) == ("models.draft-devices", ("models", "a", "draft", "device"))
    assert 'device = ["gpu0"]' in found.hint
    mended = text.replace('["gpu0", "gpu1"]', '["gpu0"]')
    assert option(planned(mended, head=TWO_CARDS).placement("a"), "--tensor-split") is None


def test_draft_of_a_model_on_the_host_is_shared_by_its_own_layers():
    text = models("a", options=DRAFT + " }\nn_gpu_layers = 0")
    (placed,) = planned(text, head=TWO_CARDS).placements
    assert option(placed, "--tensor-split") == "14,7"
    assert placed.footprint["gpu0"] > placed.footprint["gpu1"] > 2**30


@pytest.mark.parametrize("build", [9464, 9889])
def test_rows_are_shared_over_the_first_cards_only(build):
    head = cards("24GiB", "24GiB", "24GiB") + f"[llama_cpp]\nbuild = {build}\n"
    options = 'ctx_size = 4096\nsplit_mode = "row"\ndevice = '
    text = models("a", options=f'{options}["gpu0", "gpu1"]')
    (placed,) = planned(text, head=head).placements
    assert option(placed, "--tensor-split") == "11,10"
    assert option(placed, "--split-mode") == "row"
    with pytest.raises(ConfigError) as caught:
        planned(models("a", options=f'{options}["gpu1", "gpu2"]'), head=head)
    assert [item.code for item in caught.value.diagnostics] == ["models.no-rows"]
    # The default would deal rows to every card of the machine.
    (alone,) = planned(models("a", options=f'{options}["gpu1"]'), head=head).placements
    assert option(alone, "--split-mode") is None


def test_rows_are_refused_where_no_device_has_them():
    head = TWO_CARDS + "[llama_cpp]\nbuild = 9890\n"
    with pytest.raises(ConfigError) as caught:
        planned(models("a", options='ctx_size = 4096\nsplit_mode = "row"'), head=head)
    assert [item.code for item in caught.value.diagnostics] == ["models.no-rows"]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("headers")
    return lambda name: read_model(write_header(folder / f"{name}.gguf", name))


def stack(published, head, text, *names):
    lock = {f"file:{name}.gguf": published(name) for name in names}
    return place(resolve(config(text, head=head), lock))


def test_large_model_on_unequal_cards_is_accepted(published):
    text = '[models.a]\nmodel = "gemma-3-27b.gguf"\nctx_size = 8192\n'
    plan = stack(published, cards("8GiB", "24GiB"), text, "gemma-3-27b")
    (placed,) = plan.placements
    # 63 layers, a quarter on the small card.
    assert option(placed, "--tensor-split") == "16,47"
    assert min(room.free_bytes for room in plan.headroom) > 2**30


def test_third_model_is_planned_with_the_shares_that_it_gets(published):
    one = 'model = "llama-3.1-8b.gguf"\nctx_size = 16384\n'
    text = f'[models.a]\n{one}device = ["gpu0"]\n[models.b]\n{one}device = ["gpu1"]\n'
    plan = stack(published, cards("12GiB", "12GiB"), f"{text}[models.c]\n{one}", "llama-3.1-8b")
    placed = plan.placement("c")
    assert option(placed, "--tensor-split") == "17,16"
    for pool in ("gpu0", "gpu1"):
        apart = sum(plan.placement(name).footprint[pool] for name in "abc")
        assert (apart <= 12 * 2**30) or all(len(found.models) < 3 for found in plan.states)


def server_placement(words, blocks):
    """Which layer goes where, by the words of the command alone, in 32 bits as the server does."""

    def single(value):
        return ctypes.c_float(value).value

    names = words[words.index("--device") + 1].split(",")
    layers = words[words.index("--n-gpu-layers") + 1]
    count = blocks + 1 if layers == "all" else min(int(layers), blocks + 1)
    if names == ["none"] or not count:
        return ["host"] * (blocks + 1)
    shares = [0.0] * len(names)
    if "--tensor-split" in words:
        for index, text in enumerate(words[words.index("--tensor-split") + 1].split(",")):
            shares[index] = single(float(text))
    assert any(shares) or len(names) == 1, "the server would divide by what is free"
    ends, total = [], 0.0
    for share in shares:
        total = single(total + share)
        ends.append(total)
    ends = [single(end / total) if total else 1.0 for end in ends]
    first = blocks + 1 - count
    found = ["host"] * first
    for layer in range(count):
        place = single(single(layer) / single(count))
        found.append(next(names[at] for at, end in enumerate(ends) if end > place))
    return found


@pytest.mark.parametrize("part", range(5))
@examples(40)
@given(
    memory=st.lists(st.integers(1000, 200_000), min_size=1, max_size=5),
    blocks=st.integers(1, 130),
    offload=st.none() | st.integers(0, 140),
    shares=st.none() | st.floats(0.001, 1000),
    resident=st.booleans(),
)
def test_written_shares_are_the_planned_placement(part, memory, blocks, offload, shares, resident):
    head = cards(*(f"{size}MiB" for size in memory))
    keys = "ctx_size = 256\nubatch_size = 32\n"
    keys += "" if offload is None else f"n_gpu_layers = {offload}\n"
    own = ""
    if shares is not None:
        own = f"tensor_split = [{', '.join(str(shares * (1 + at)) for at in range(len(memory)))}]\n"
    text = f'[budget]\noverride = "drawn at random"\n{models("a", options=keys + own)}'
    if resident:
        text += models("b", options='ctx_size = 256\nkeep = "always"\ndevice = ["gpu0"]')
    small = {"embedding": 256, "heads": 4, "heads_kv": 2, "feed_forward": 512, "context": 512}
    plan = planned(text, head=head, **{**SHAPE, **small, "layers": blocks, "vocabulary": 500})
    placed = plan.placement("a")
    names = {f"gpu{at}": f"CUDA{at}" for at in range(len(memory))} | {HOST: "host"}
    wanted = place_layers(blocks, placed.settings)
    assert server_placement(placed.argv, blocks) == [
        names[device] for device in (*wanted.layers, wanted.output)
    ]
    if shares is None and placed.settings.tensor_split:
        counts = [(*wanted.layers, wanted.output).count(name) for name in placed.settings.devices]
        assert counts == list(placed.settings.tensor_split)


def test_stacks_with_open_values_and_residents_are_told_the_shares_they_are_planned_with():
    """More of them: the same loop over other seeds."""
    several = 0
    for seed in (2, 3, 7, 11, 13):
        try:
            plan = published_stack(drawn.drawn(Random(seed), most=2))
        except LlmgenError:
            continue
        names = {item.key: item.name for item in plan.library.machine.devices} | {HOST: "host"}
        for placed in plan.placements:
            blocks = choices.blocks(placed.model.facts)
            wanted = place_layers(blocks, placed.settings)
            homes = [names[device] for device in (*wanted.layers, wanted.output)]
            assert server_placement(placed.argv, blocks) == homes, seed
            several += len({*homes} - {"host"}) > 1
    assert several


@given(st.integers(0, 513), st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=16))
def test_shares_are_all_layers_in_proportion(count, room):
    found = layer_shares(count, room)
    free = [max(0, part) for part in room]
    assert sum(found) == count
    for share, part in zip(found, free, strict=True):
        if any(free):
            assert abs(share - count * part / sum(free)) < 1


def test_no_layer_is_lost_to_rounding():
    """Whatever the counts: the server's own arithmetic gives each device the layers of its share."""
    for count in (*range(1, 80), 512, 513):
        for first in range(count + 1):
            shares = (float(first), float(count - first))
            found = place_layers(
                count - 1, ServerSettings(devices=("gpu0", "gpu1"), tensor_split=shares)
            )
            assert (*found.layers, found.output).count("gpu0") == first


class Enough(Exception):
    pass


@pytest.mark.parametrize("most", [1, 40, 10_000])
def test_every_look_at_a_division_is_counted(published, most, monkeypatch):
    head = cards("8GiB", "10GiB", "12GiB", "14GiB", reserve="512MiB")
    text = '[models.a]\nmodel = "gemma-3-27b.gguf"\nctx_size = 4096\nkeep = "always"\n'
    lock = {"file:gemma-3-27b.gguf": published("gemma-3-27b")}
    library = divided(resolve(config(text, head=head), lock))
    trial, (model,) = trial_of(library, scale(library)), library.models
    space = gap(trial, model)
    start = balanced(space, model.settings)
    looked, spent, found, used = [0], [0], 0, Gap.used

    def counted(self, settings):
        looked[0] += 1
        return used(self, settings)

    def looked_at(_):
        spent[0] += 1
        if spent[0] > most:
            raise Enough

    monkeypatch.setattr(Gap, "used", counted)
    every = divisions(space, start, looked_at)
    with suppress(Enough):
        for _ in islice(every, 60):
            found += 1
    # A corner is looked at, and then given.
    assert looked[0] <= spent[0] + found
    assert spent[0] <= most + 1
    assert (found == 60) is (most == 10_000)


UNEQUAL = cards("8GiB", "24GiB", reserve="512MiB").replace('overhead = "0"', 'overhead = "500MiB"')
LARGE_BESIDE_PINNED = """
[models.e]
model = "qwen3-8b.gguf"
ctx_size = 4096
device = ["gpu0"]
pin = true
[models.a]
model = "gemma-3-27b.gguf"
ctx_size = 8192
"""


def test_other_shares_are_the_first_advice_where_they_are_enough(published):
    head, text = UNEQUAL, LARGE_BESIDE_PINNED
    own = "tensor_split = [1, 1]"
    text += f"{own}\n"
    with pytest.raises(PlanError) as caught:
        stack(published, head, text, "qwen3-8b", "gemma-3-27b")
    (found,) = caught.value.diagnostics
    assert found.hint.startswith('`tensor_split = "auto"` for `a` fits')
    mended = text.replace(own, "") + 'tensor_split = "auto"\n'
    plan = stack(published, head, mended, "qwen3-8b", "gemma-3-27b")
    assert sum(plan.placement("a").settings.tensor_split) == 63


def test_absent_shares_are_sought_where_those_in_proportion_do_not_fit(published):
    head, text = UNEQUAL, LARGE_BESIDE_PINNED
    plan = stack(published, head, text, "qwen3-8b", "gemma-3-27b")
    (reason,) = [item for item in plan.placement("a").reasons if item.key == "tensor_split"]
    auto = stack(published, head, text + 'tensor_split = "auto"\n', "qwen3-8b", "gemma-3-27b")
    assert plan.placement("a").argv == auto.placement("a").argv
    assert reason.why == "whole layers where gpu0 and gpu1 have room: in proportion they do not fit"
    assert not plan.placement("e").reasons


def test_shares_of_a_part_of_the_layers_are_no_numbers_of_layers(published):
    head = cards("3GiB", "8GiB", reserve="512MiB")
    text = LARGE_BESIDE_PINNED.replace("qwen3-8b", "qwen3-0.6b") + "n_gpu_layers = 30\n"
    plan = stack(published, head, text, "qwen3-0.6b", "gemma-3-27b")
    (reason,) = [item for item in plan.placement("a").reasons if item.key == "tensor_split"]
    assert sum(plan.placement("a").settings.tensor_split) == 63
    assert reason.why.startswith("shares of the layers that leave the host, where gpu0 and gpu1")


def test_what_may_be_overfull_keeps_its_proportions(published):
    head, text = UNEQUAL, LARGE_BESIDE_PINNED
    text += '[budget]\noverride = "tried"\n'
    plan = stack(published, head, text, "qwen3-8b", "gemma-3-27b")
    (reason,) = [item for item in plan.placement("a").reasons if item.key == "tensor_split"]
    assert "in proportion to what" in reason.why
    assert [note.code for note in plan.notes][:1] == ["budget.device-full"]
