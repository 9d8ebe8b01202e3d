"""Source by an address: it is kept whole or not at all, and a server cannot send without end."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from msgspec.structs import replace

from llmgen.building import source
from llmgen.errors import InputError
from llmgen.units import MIB

ARCHIVE = b"an archive " * 1000


class Answers(BaseHTTPRequestHandler):
    """`/good` is an archive, `/endless` never ends, anything else is not there."""

    def do_GET(self):
        self.send_response(404 if self.path == "/none" else 200)
        if self.path == "/good":
            self.send_header("Content-Length", str(len(ARCHIVE)))
        self.end_headers()
        try:
            self.wfile.write(ARCHIVE)
            while self.path == "/endless":
                self.wfile.write(bytes(MIB))
        except OSError:
            return

    def log_message(self, *words):
        """Say nothing."""


@pytest.fixture
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def refused(address, cache):
    with pytest.raises(InputError) as error:
        source.obtained(address, "", cache, lambda done, size: None)
    assert not [*cache.glob("*.tar.gz")]
    (found,) = error.value.diagnostics
    assert "--source" in found.hint
    return found


def test_an_archive_is_kept_and_told_by_its_digest(address, tmp_path):
    told = []
    found = source.obtained(f"{address}/good", "", tmp_path, lambda *done: told.append(done))
    assert found.path.read_bytes() == ARCHIVE
    assert told[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert [*tmp_path.iterdir()] == [found.path]


def test_an_answer_without_end_is_cut(address, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "SOURCE", replace(source.SOURCE, size_bytes=4 * MIB))
    found = refused(f"{address}/endless", tmp_path)
    assert found.code == "answer.size"
    assert "more than 4 MiB" in found.message


@pytest.mark.parametrize("told", ["{address}/none", "http://[", "http://"])
def test_what_is_not_there_is_one_message(told, address, tmp_path):
    assert refused(told.format(address=address), tmp_path).code == "build.no-download"
