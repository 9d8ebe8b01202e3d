"""llama-fit-params: the words it gets, and the table it prints."""

from llmgen.budget.memory import DeviceMemory
from llmgen.budget.settings import ServerSettings
from llmgen.units import MIB
from llmgen.verify.comparison import compare, seen_by_program
from llmgen.verify.program import command, figures

PRINTED = """0.00.004 I llama_fit_params: printing estimated memory in MiB to stdout
CUDA0 100 20 3 \nCUDA1 90 10 2 \nHost 30 0 1 \n"""


def words(**settings):
    return " ".join(command("fit", "m.gguf", ServerSettings(parallel=2, **settings)))


def test_every_memory_option_is_spelled_as_the_program_knows_it():
    asked = words(
        ctx_size=4096, cache_type_k="q8_0", n_cpu_moe=3, kv_offload=False, tensor_split=(3.0, 1.0)
    )
    assert asked == (
        "fit -m m.gguf -fitp on -fit off --no-repack -c 4096 -np 2 -b 2048 -ub 512 -ctk q8_0 "
        "-ctv f16 -fa auto -ngl all -nkvo -ncmoe 3 -ts 3,1"
    )


def test_overrides_are_one_word():
    assert words(override_tensor=(("a b", "CPU"), ("c", "gpu0"))).endswith("-ot a b=CPU,c=gpu0")


def test_figures_put_the_host_first_and_number_the_devices():
    assert figures(PRINTED) == (
        DeviceMemory("host", 30 * MIB, 0, MIB),
        DeviceMemory("gpu0", 100 * MIB, 20 * MIB, 3 * MIB),
        DeviceMemory("gpu1", 90 * MIB, 10 * MIB, 2 * MIB),
    )


def test_no_table_gives_no_figures():
    assert figures("usage: fit [options]\n") == ()


def test_program_gives_each_slot_a_cache_and_maps_nothing():
    seen = seen_by_program(ServerSettings(devices=("gpu0", "gpu1")), 1)
    assert (seen.parallel, seen.kv_unified, seen.load_mode) == (4, False, "none")
    assert seen.devices == ("gpu0",)


def test_difference_is_told_by_the_word_and_below_a_mib_it_is_none(small_facts):
    settings = ServerSettings(ctx_size=4096, parallel=1)
    theirs = (DeviceMemory("host", 0, 0, 0), DeviceMemory("gpu0", 0, 999 * MIB, 0))
    _, device = compare(small_facts, settings, 11434, theirs)
    assert "context" in device.differs
    assert "model" not in device.differs


def test_overrides_name_the_program_s_devices_in_the_model_s_order():
    settings = ServerSettings(
        devices=("gpu1",), override_tensor=(("a", "gpu1"), ("b", "CPU")), parallel=1
    )
    asked = command("fit", "m.gguf", seen_by_program(settings, 1), ("CUDA0", "CUDA1"))
    # The model's only device is the first that the program finds.
    assert asked[-4:] == ("-ts", "1", "-ot", "a=CUDA0,b=CPU")


def test_figures_are_those_of_the_model_s_own_devices(small_facts):
    settings = ServerSettings(ctx_size=4096, parallel=1, devices=("gpu1",))
    theirs = tuple(DeviceMemory(name, 0, 0, 0) for name in ("host", "gpu0", "gpu1"))
    host, own, other = compare(small_facts, settings, 11434, theirs)
    assert [item.device for item in (host, own, other)] == ["host", "gpu1", "gpu0"]
    assert own.ours.context > other.ours.context == 0
