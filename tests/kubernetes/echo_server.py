"""A server of models that answers with what it was asked, as gateways take it for an answer."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Echo(BaseHTTPRequestHandler):
    """The fields of the request, and it as a whole with its path."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {
            **asked,
            "object": "list",
            "model": asked.get("model", ""),
            "data": [],
            "results": [],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
            "asked": asked,
            "path": self.path,
            "host": self.headers["Host"],
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def echo():
    """The server on loopback; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
