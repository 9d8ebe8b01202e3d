"""The real servers for speech and pictures start as llmgen starts them, and answer."""

import base64
import re
import subprocess

import httpx
import pytest

import readers
from llmgen.engines.base import Listen, Served
from llmgen.engines.registry import ENGINES
from readers.ports import free_port
from readers.running import running
from readers.tiny_flux import ONE_STEP, picture_size, write_parts, write_whole
from readers.tiny_whisper import write_model, write_silence


@pytest.mark.reader("whisper-server")
def test_whisper_hears_a_recording(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [
        readers.find("whisper-server"),
        *("--model", write_model(tmp_path / "tiny.bin"), "--host", "127.0.0.1"),
        *("--port", str(port), "--inference-path", "/v1/audio/transcriptions", "--threads", "1"),
    ]
    silence = write_silence(tmp_path / "silence.wav").read_bytes()
    with running(words, ready=f"{url}/health", log=tmp_path / "log"):
        said = httpx.post(
            f"{url}/v1/audio/transcriptions",
            files={"file": ("a.wav", silence)},
            data={"model": "whisper-1"},
            timeout=60,
        )
        elsewhere = httpx.post(f"{url}/inference", files={"file": ("a.wav", silence)}, timeout=60)
    assert said.status_code == 200
    assert "text" in said.json()
    assert elsewhere.status_code == 404


@pytest.mark.thorough
@pytest.mark.parametrize("form", ["parts", "whole"])
@pytest.mark.reader("sd-server")
def test_sd_server_draws_a_picture(tmp_path, form):
    engine, port = ENGINES["stable-diffusion"], free_port()
    url = f"http://127.0.0.1:{port}"
    files = {key: str(path) for key, path in write_parts(tmp_path).items()}
    whole = str(write_whole(tmp_path / "whole.safetensors"))
    served = Served(
        name="painter",
        names=("painter",),
        role="image",
        serves=("image",),
        program="sd-server",
        model=whole if form == "whole" else "",
        keys={"threads": 1, "diffusion_fa": True, "offload_to_cpu": form == "parts"},
        files=files if form == "parts" else {},
        extra_args=ONE_STEP,
    )
    words = [readers.find("sd-server"), *engine.words(served, Listen("127.0.0.1", str(port)))]
    with running(words, ready=f"{url}{engine.health}", log=tmp_path / "log"):
        drawn = httpx.post(
            f"{url}{engine.paths[0]}",
            json={"model": "painter", "prompt": "a cat", "size": "64x64"},
            timeout=60,
        )
        image = base64.b64decode(drawn.json()["data"][0]["b64_json"])
        edited = httpx.post(
            f"{url}{engine.paths[1]}",
            files={"image": ("a.png", image), "prompt": (None, "a dog"), "size": (None, "64x64")},
            timeout=60,
        )
    assert picture_size(drawn) == picture_size(edited) == (64, 64)
    log = (tmp_path / "log").read_text()
    assert "Version: Flux" in log
    for path in served.files.values():
        assert f"from '{path}'" in log


@pytest.mark.parametrize(
    ("name", "program"),
    [
        pytest.param("whisper", "whisper-server", marks=pytest.mark.reader("whisper-server")),
        pytest.param("stable-diffusion", "sd-server", marks=pytest.mark.reader("sd-server")),
    ],
)
def test_every_option_is_in_the_help_of_the_real_program(name, program):
    engine = ENGINES[name]
    words = [str(readers.find(program)), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    known = set(re.findall(r"(?<![\w-])--[A-Za-z0-9_-]+", done.stdout + done.stderr))
    keys = {
        key: True if "bool" in str(field.annotation) else 2
        for key, field in engine.options.model_fields.items()
    }
    served = Served(
        name="m",
        names=("m",),
        role=engine.roles[0],
        serves=engine.roles,
        program=program,
        model="/models/m",
        keys={**keys, "threads": 2},
        files={key: f"/models/{key}" for key in engine.files},
    )
    flags = {word for word in engine.words(served, Listen("127.0.0.1", "1")) if word[:2] == "--"}
    assert len(flags) > 4
    assert flags <= known
