"""What drivers, kernels and cgroups tell, from their own text."""

from pathlib import Path

import pytest

from llmgen.measuring.asking import asked, silence
from llmgen.measuring.cgroup import peak, place
from llmgen.measuring.device_use import nvidia_use
from llmgen.measuring.tree import proportional

# nvidia-smi 550: --query-gpu=uuid,name and --query-compute-apps=gpu_uuid,pid,used_memory.
PLACES = "GPU-aaaa, NVIDIA GeForce RTX 4090\nGPU-bbbb, NVIDIA GeForce RTX 3090\n"
USED = """GPU-aaaa, 100, 20000
GPU-bbbb, 100, 512
GPU-aaaa, 101, 24
GPU-aaaa, 7, 9999
GPU-cccc, 100, 1
"""


def test_processes_are_charged_to_their_devices():
    found = nvidia_use(PLACES, USED, {100, 101})
    assert found == {"gpu0": (20000 + 24) * 2**20, "gpu1": 512 * 2**20}


@pytest.mark.parametrize("hidden", ["[N/A]", "[Insufficient Permissions]", ""])
def test_hidden_figure_is_no_figure(hidden):
    found = nvidia_use(PLACES, f"GPU-aaaa, 100, {hidden}\nGPU-bbbb, 100, 5\n", {100})
    assert found == {"gpu1": 5 * 2**20}


@pytest.mark.parametrize("table", ["", "no devices were found", "a, b, c", "GPU-aaaa, x, 3"])
def test_strange_table_tells_nothing(table):
    assert nvidia_use(PLACES, table, {100}) == {}


def test_swapped_and_huge_pages_are_still_held(tmp_path):
    (tmp_path / "5").mkdir()
    text = "00-ff ---p 0 00:00 0 [rollup]\nRss: 900 kB\nPss: 100 kB\nPss_Anon: 60 kB\n"
    text += "SwapPss: 20 kB\nPrivate_Hugetlb: 2048 kB\nShared_Hugetlb: 0 kB\nLocked: 7 kB\n"
    (tmp_path / "5" / "smaps_rollup").write_text(text)
    assert proportional(5, tmp_path) == (100 + 20 + 2048) * 1024
    assert proportional(6, tmp_path) is None


def test_cgroups_of_both_versions_are_found(tmp_path):
    own = tmp_path / "own"
    first, second = tmp_path / "v1", tmp_path / "v2"
    (first / "memory" / "a").mkdir(parents=True)
    (first / "memory" / "a" / "memory.max_usage_in_bytes").write_text("7\n")
    own.write_text("4:memory:/a\n1:cpu:/\n0::/b\n")
    assert place(9, first, own) == first / "memory" / "a" / "llmgen-measure-9"
    assert peak(first / "memory" / "a") == 7
    (second / "b").mkdir(parents=True)
    own.write_text("0::/b\n")
    # A cgroup of version 2 that hands no memory controller on has no peak.
    (second / "b" / "cgroup.subtree_control").write_text("cpu\n")
    assert place(9, second, own) is None
    (second / "b" / "cgroup.subtree_control").write_text("cpu memory\n")
    assert place(9, second, own) == second / "b" / "llmgen-measure-9"
    assert place(9, second, Path("/nowhere")) is None
    assert peak(second) is None


def test_every_role_is_asked_or_known_not_to_be():
    assert asked("chat", "m").path == "/v1/chat/completions"
    assert asked("transcription", "m").file == silence()
    assert asked("video", "m") is None
