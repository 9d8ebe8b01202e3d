"""What ``tools/measure_cuda.sh`` does behind the compiler: models that load, logs that are read."""

import subprocess
from pathlib import Path

import pytest
import readers
from gguf_writer import GGML_TYPES, write_llama

from oracle import cuda
from oracle.random_weights import blocks
from oracle.shapes import SHAPES

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "measure_cuda.sh"
LOG = """
0.00.305.184 I load_tensors:        CUDA0 model buffer size =  4403.49 MiB
0.00.305.185 I load_tensors:   CPU_Mapped model buffer size =   281.81 MiB
0.00.412.021 I llama_kv_cache:      CUDA0 KV buffer size =  1024.00 MiB
0.00.412.021 I llama_kv_cache:      CUDA0 KV buffer size =   256.00 MiB
0.00.413.021 I sched_reserve:      CUDA0 compute buffer size =   999.00 MiB
0.00.414.021 I sched_reserve:      CUDA0 compute buffer size =   258.50 MiB
0.00.414.022 I sched_reserve:  CUDA_Host compute buffer size =    20.01 MiB
"""


def test_buffers_are_read_from_the_log():
    assert cuda.buffers(LOG) == {
        "CUDA0": {"model": 4403.49, "context": 1280.0, "compute": 258.5},
        "CPU_Mapped": {"model": 281.81},
        "CUDA_Host": {"compute": 20.01},
    }


def test_every_case_is_a_published_shape_with_options_that_are_known():
    for name, settings in cuda.CASES:
        assert name in SHAPES
        assert set(settings) <= {*cuda.OPTIONS, "kv_unified"}


@pytest.mark.reader("llama-server")
def test_a_server_is_measured_where_there_is_no_card(tmp_path):
    server = readers.find("llama-server")
    path = write_llama(tmp_path / "tiny.gguf")
    seen = cuda.point(server, path, {"ctx_size": 512, "parallel": 1, "ubatch_size": 64}, 11434)
    assert {"model", "context", "compute"} <= {
        kind for kinds in seen["log"].values() for kind in kinds
    }
    assert (seen["process_mib"], set(seen["plan"])) == (None, {"host", "gpu0"})


def test_every_block_is_of_its_type_and_no_scale_is_wild():
    for kind, made in ((kind, blocks(kind)) for kind in ("f32", "q8_0", "q4_K", "q6_K", "mxfp4")):
        assert len(made) % GGML_TYPES[kind][2] == 0
    assert blocks("q8_0")[:2] == blocks("q8_0")[34:36]


def test_the_script_is_one_that_bash_reads():
    subprocess.run(["bash", "-n", SCRIPT], check=True)
