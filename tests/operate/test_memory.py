"""Device memory is read from a real program's output and from files, and asked for once."""

import pytest

from llmgen.detect.devices import Gpu
from llmgen.operate.status import memory

SMI = """\
#!/bin/sh
case "$1" in
  --query-gpu=*) echo 'NVIDIA GeForce RTX 3090, 24576, 1024, 23200' ;;
  --query-compute-apps=*) printf '4711, 900\\n4712, 100\\n' ;;
esac
"""


@pytest.fixture
def smi(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def write(text):
        program.write_text(text)
        program.chmod(0o755)

    write(SMI)
    return write


def test_nvidia_smi_is_asked_for_devices_and_processes(smi):
    found = memory.devices()
    assert found == (Gpu("NVIDIA GeForce RTX 3090", 24576 * 2**20, 2**30, 23200 * 2**20),)
    assert memory.free_devices() == {"gpu0": 23200 * 2**20}
    assert memory.by_process([4711, 1], found) == {4711: 900 * 2**20}


def test_driver_that_does_not_answer_tells_nothing(smi, monkeypatch):
    smi("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    monkeypatch.setattr(memory, "amd", tuple)
    assert memory.devices() == ()
    assert memory.free_devices() == {}
    assert memory.by_process([1], ()) == {}
