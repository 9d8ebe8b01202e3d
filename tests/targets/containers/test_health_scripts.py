"""What LiteLLM's image runs as its check, which has Python and no curl."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from llmgen.targets.containers import health


class Page(BaseHTTPRequestHandler):
    """Answers with the server's state."""

    def do_GET(self):
        right = self.path == "/health/liveliness"
        self.send_response(self.server.state if right else 404)
        self.end_headers()

    def log_message(self, *words):
        """Say nothing."""


def check(port):
    script = health._PYTHON.format(host="127.0.0.1", port=port)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)


@pytest.mark.parametrize(("state", "well"), [(200, True), (503, False)])
def test_the_page_decides(state, well):
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.state = state
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = check(server.server_address[1])
        server.shutdown()
    assert (done.returncode == 0) is well


def test_nobody_there_is_not_well():
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        port = server.server_address[1]
    assert check(port).returncode
