"""The real servers for speech and pictures start as llmgen starts them, and answer."""

import httpx
import pytest

import readers
from readers.ports import free_port
from readers.running import running
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
