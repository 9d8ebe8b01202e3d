"""Devices that a file names: ours, and as many in [hardware], wherever it is imported."""

import json
import tomllib

import pytest
from click.testing import CliRunner

from llmgen.cli.import_ import cli
from llmgen.importing.machine import with_devices
from llmgen.importing.sniff import from_text


def imported(options, env="[]"):
    text = f'models: {{a: {{cmd: "llama-server -m /a.gguf {options}", env: {env}}}}}'
    return with_devices(from_text("file", text))


def model(options, env="[]"):
    return imported(options, env)[0].tables["models", "a"]


def test_devices_of_a_backend_are_ours():
    part, needs = imported("--device CUDA0,CUDA2")
    assert part.tables["models", "a"]["device"] == ["gpu0", "gpu2"]
    assert (needs.count, needs.backend) == (3, "cuda")


@pytest.mark.parametrize(
    ("variable", "backend"),
    [
        ("CUDA_VISIBLE_DEVICES", "cuda"),
        ("HIP_VISIBLE_DEVICES", "rocm"),
        ("GGML_VK_VISIBLE_DEVICES", "vulkan"),
    ],
)
def test_variable_that_hides_devices_is_the_key(variable, backend):
    part, needs = imported("", f'["{variable}=1,3", "OTHER=1"]')
    keys = part.tables["models", "a"]
    assert keys["device"] == ["gpu1", "gpu3"]
    assert keys["environment"] == {"OTHER": "1"}
    assert (needs.count, needs.backend) == (4, backend)


def test_devices_are_counted_among_those_that_are_seen():
    keys = model("--device CUDA1", '["CUDA_VISIBLE_DEVICES=2,3"]')
    assert keys["device"] == ["gpu3"]


def test_shares_follow_devices_that_change_places():
    keys = model("-ts 3,1", '["CUDA_VISIBLE_DEVICES=1,0"]')
    assert (keys["device"], keys["tensor_split"]) == (["gpu0", "gpu1"], [1.0, 3.0])


def test_shares_without_devices_are_those_of_the_first():
    part, needs = imported("-ts 1,1,1")
    assert part.tables["models", "a"]["device"] == ["gpu0", "gpu1", "gpu2"]
    assert needs.count == 3


def test_devices_by_another_name_stay_hidden_and_are_named():
    part, _ = imported("", '["CUDA_VISIBLE_DEVICES=GPU-8932f937"]')
    assert "import.hidden-devices" in [item.code for item in part.faults]
    assert "device" not in part.tables["models", "a"]


def run(tmp_path, options, *more):
    file = tmp_path / "swap.yaml"
    file.write_text(f'models: {{a: {{cmd: "llama-server -m /a.gguf {options}"}}}}')
    result = CliRunner().invoke(cli, [str(file), *more, "--json"], catch_exceptions=False)
    found = json.loads(result.stdout)
    return tomllib.loads(found["data"]["content"]), found


def test_file_of_another_machine_gets_its_devices(tmp_path):
    content, found = run(tmp_path, "--device ROCm1")
    assert content["hardware"]["backend"] == "rocm"
    assert len(content["hardware"]["devices"]) == 2
    (told,) = (item for item in found["diagnostics"] if item["code"] == "import.other-machine")
    assert "`ROCm1`" in told["message"]
    assert f"# {told['hint']}" in found["data"]["content"]


def test_file_of_a_mac_gets_a_mac(tmp_path):
    content, _ = run(tmp_path, "--device MTL0")
    assert content["hardware"]["profile"].startswith("apple-silicon")


def test_profile_with_fewer_devices_gets_more_of_them(tmp_path):
    content, _ = run(tmp_path, "--device CUDA2", "--profile", "nvidia-24gb")
    hardware = content["hardware"]
    assert hardware["profile"] == "nvidia-24gb"
    assert [item["memory"] for item in hardware["devices"]] == ["24564MiB"] * 3


def test_profile_with_enough_stays_as_it_is(tmp_path):
    content, found = run(tmp_path, "--device CUDA1", "--profile", "nvidia-2x24gb")
    assert content["hardware"] == {"profile": "nvidia-2x24gb"}
    assert "import.other-machine" not in [item["code"] for item in found["diagnostics"]]
