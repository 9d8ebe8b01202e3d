"""Device memory as nvidia-smi's tables and amdgpu's files tell it; what they hide stays unknown."""

from llmgen.detect.devices import Gpu, amd, amd_process, nvidia, nvidia_processes
from llmgen.units import GIB, MIB

# nvidia-smi 550, `--format=csv,noheader,nounits`: two cards, and a Spark, whose memory is the host's.
CARDS = """\
NVIDIA H200, 143771, 1041, 142118
NVIDIA RTX A6000, 49140, 12, 48670
"""
SPARK = "NVIDIA GB10, [N/A], [N/A], [N/A]\n"
# The same process on both cards; a container hides the figure of the third.
PROCESSES = "4711, 512\n4711, 1024\n4712, [N/A]\n"
FDINFO = """\
pos:\t0
flags:\t02100002
drm-driver:\tamdgpu
drm-client-id:\t{client}
drm-pdev:\t0000:c5:00.0
drm-memory-vram:\t{vram} KiB
drm-memory-gtt: \t2 MiB
"""


def card(drm, name, **values):
    folder = drm / name / "device"
    folder.mkdir(parents=True)
    for key, value in values.items():
        (folder / f"mem_info_{key}").write_text(f"{value}\n")


def test_nvidia_cards_in_the_drivers_order():
    first, second = nvidia(CARDS)
    assert first == Gpu("NVIDIA H200", 143771 * MIB, 1041 * MIB, 142118 * MIB)
    assert second.name == "NVIDIA RTX A6000"


def test_what_nvidia_hides_is_unknown():
    (only,) = nvidia(SPARK)
    assert (only.name, only.total, only.used, only.free) == ("NVIDIA GB10", None, None, None)
    assert nvidia("NVIDIA-SMI has failed because it couldn't communicate with the driver\n") == ()
    assert nvidia_processes("No running processes found\n") == {}


def test_process_on_two_cards_is_summed():
    assert nvidia_processes(PROCESSES) == {4711: 1536 * MIB}


def test_amd_cards_are_read_without_the_processors_own(tmp_path):
    card(tmp_path, "card0", vram_total=512 * MIB, vram_used=0, gtt_total=30 * GIB, gtt_used=GIB)
    card(tmp_path, "card1", vram_total=24 * GIB, vram_used=20 * GIB, gtt_total=30 * GIB)
    (tmp_path / "card1-DP-1").mkdir()
    assert amd(tmp_path) == (Gpu("AMD GPU", 24 * GIB, 20 * GIB, 4 * GIB),)


def test_memory_of_an_apu_is_its_gtt(tmp_path):
    card(tmp_path, "card0", vram_total=512 * MIB, vram_used=0, gtt_total=96 * GIB, gtt_used=GIB)
    (only,) = amd(tmp_path)
    assert (only.region, only.used, only.free) == ("gtt", GIB, 95 * GIB)


def test_card_that_tells_no_use_is_unknown(tmp_path):
    card(tmp_path, "card0", vram_total=24 * GIB)
    (only,) = amd(tmp_path)
    assert (only.total, only.used, only.free) == (24 * GIB, None, None)
    assert amd(tmp_path / "none") == ()


def test_descriptors_of_one_client_count_once(tmp_path):
    folder = tmp_path / "7" / "fdinfo"
    folder.mkdir(parents=True)
    for name, client in (("3", 1), ("4", 1), ("5", 2)):
        (folder / name).write_text(FDINFO.format(client=client, vram=2048))
    (folder / "6").write_text("pos:\t0\n")
    assert amd_process(7, "vram", tmp_path) == 4 * MIB
    assert amd_process(7, "gtt", tmp_path) == 4 * MIB
    assert amd_process(8, "vram", tmp_path) is None
