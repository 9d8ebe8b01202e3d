"""Forms and pictures of external servers: the model is found in a form, and told as it is known."""

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module

import pytest
import stack as live
from readers.ports import free_ports

pytestmark = pytest.mark.reader("envoy")

PICTURE = 50 * 2**20
TEXT = """
[services]
on_demand = "none"
[gateway.envoy]
port = {envoy}
admin_port = {admin}
[external.whisper]
endpoint = "http://127.0.0.1:{first}/below/v1"
role = "transcription"
aliases = ["whisper-1"]
upstream_model = "large/v3"
[external.other]
endpoint = "http://127.0.0.1:{second}"
role = "transcription"
[external.voice]
endpoint = "http://127.0.0.1:{second}"
role = "speech"
aliases = ["tts-1"]
[external.painter]
endpoint = "http://127.0.0.1:{second}"
role = "image"
aliases = ["dall-e-3"]
"""


class Recorder(BaseHTTPRequestHandler):
    """Answers with what it was sent: a picture of that size, or words about the model."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, sent))
        picture = {"created": 1, "data": [{"b64_json": "A" * PICTURE}]}
        answer = picture if "/images/" in self.path else {"text": str(self.server.server_port)}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="module")
def servers():
    made = [ThreadingHTTPServer(("127.0.0.1", 0), Recorder) for _ in range(2)]
    for server in made:
        server.seen = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def stack(servers, tmp_path_factory):
    ports = dict(zip(("envoy", "admin"), free_ports(2), strict=True))
    ports |= {
        name: server.server_port for name, server in zip(("first", "second"), servers, strict=True)
    }
    with live.Stack(TEXT.format_map(ports), tmp_path_factory.mktemp("forms")) as made:
        yield made


@pytest.fixture(scope="module")
def url(stack):
    return f"http://127.0.0.1:{stack.plan.library.config.gateway.envoy.port}"


@pytest.fixture
def client(url):
    openai = import_module("openai")

    with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as made:
        yield made


def sound():
    return ("a.wav", io.BytesIO(b'; name="x"\r\n\r\n' + b"0" * 3_000_000))


@pytest.mark.parametrize("name", ["whisper", "whisper-1", "Whisper-1"])
def test_a_form_reaches_its_model_under_the_name_that_it_insists_on(client, servers, name):
    client.audio.transcriptions.create(model=name, file=sound())
    path, sent = servers[0].seen[-1]
    assert path == "/below/v1/audio/transcriptions"
    assert b'name="model"\r\n\r\nlarge/v3\r\n' in sent
    assert sound()[1].read() in sent


def test_a_form_reaches_no_other_model(client, servers):
    openai = import_module("openai")
    answer = client.audio.transcriptions.create(model="other", file=sound())
    assert answer.text == str(servers[1].server_port)
    with pytest.raises(openai.NotFoundError, match=r"`nobody` does not exist.*whisper-1, other"):
        client.audio.transcriptions.create(model="nobody", file=sound())


@pytest.mark.parametrize(
    ("field", "port"), [(b"other", 1), (b"WHISPER-1", 0), (None, 0)], ids=["own", "alias", "none"]
)
def test_a_field_after_the_file_counts_and_none_is_the_default(url, servers, field, port):
    parts = [b'name="file"; filename="a.wav"\r\n\r\n' + sound()[1].read()]
    parts += [b'name="model"\r\ncontent-type: text/plain\r\n\r\n' + field] if field else []
    body = b"".join(b"--B\r\ncontent-disposition: form-data; " + item + b"\r\n" for item in parts)
    kind = "multipart/form-data; boundary=B"
    status, text, _ = live.post(
        f"{url}/v1/audio/transcriptions", body + b"--B--\r\n", content_type=kind
    )
    assert (status, json.loads(text)["text"]) == (200, str(servers[port].server_port))


@pytest.mark.parametrize("name", [b'x"},"status":200,"a":{"', b"\xff\x1b[0m", b"\0"])
def test_a_name_in_a_form_stays_in_its_place_of_the_log(stack, url, name):
    part = b'--B\r\ncontent-disposition: form-data; name="model"\r\n\r\n' + name
    identity = f"form-{name.hex()}"
    kind, path = "multipart/form-data; boundary=B", "/v1/audio/transcriptions"
    status, _, _ = live.post(
        url + path, part + b"\r\n--B--\r\n", content_type=kind, x_request_id=identity
    )
    live.until(lambda: identity in stack.log("envoy"), 10)
    line = next(line for line in stack.log("envoy").split("\n") if identity in line)
    row = json.loads(line)
    assert line.isprintable()
    assert (row["status"], row["path"], row["llm"].keys()) == (status, path, {"model"})


def test_pictures_larger_than_any_request_are_passed_on(client, servers):
    made = client.images.generate(model="dall-e-3", prompt="x")
    assert len(made.data[0].b64_json) == PICTURE
    made = client.images.edit(model="DALL-E-3", prompt="x", image=b"0")
    assert len(made.data[0].b64_json) == PICTURE
    assert b"painter" in servers[1].seen[-1][1]
