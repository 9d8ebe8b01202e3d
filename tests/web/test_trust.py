"""Whom a request trusts: the authorities, read only where a certificate is shown."""

import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from llmgen.web import client
from llmgen.web.limits import Limits

SOON = Limits(20.0)


class Here(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.send_response(204)
        self.end_headers()


@pytest.fixture(autouse=True)
def read(monkeypatch):
    """How often the authorities were read."""
    made, counted = httpx.create_ssl_context, []
    monkeypatch.setattr(
        "httpx.create_ssl_context", lambda **given: counted.append(1) or made(**given)
    )
    client._trust.cache_clear()
    yield counted
    client._trust.cache_clear()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2"]
    subprocess.run(["openssl", *words, *names, *files], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def serving():
    """Serve with a context, or plainly; the server's address."""
    running = []

    def start(context=None):
        server = HTTPServer(("127.0.0.1", 0), Here)
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        scheme = "http" if context is None else "https"
        return f"{scheme}://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_plain_request_reads_none(serving, read):
    assert client.request(serving(), SOON, {}).status_code == 204
    assert read == []


@pytest.mark.reader("openssl")
def test_whom_no_authority_knows_is_refused(serving, pair, read):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    url = serving(context)
    for _ in range(2):
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            client.request(url, SOON, {})
    assert read == [1]


@pytest.mark.reader("openssl")
def test_whom_an_authority_knows_is_asked(serving, pair, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.set_alpn_protocols(["http/1.1"])
    monkeypatch.setattr("certifi.where", lambda: str(pair[0]))
    assert client.request(serving(context), SOON, {}).status_code == 204


def test_what_asks_imports_no_command_line_of_its_library():
    code = "import llmgen.web.client, httpx, sys; print('rich' in sys.modules, httpx.main)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False <function main ")
