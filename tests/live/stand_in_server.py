"""A stand-in for a model server that no registry has, or that needs weights: it only says who it is.

It takes the words of vLLM, SGLang, mlx_lm, sd-server and text-embeddings-inference for where to
listen, answers every page with 200, and tells what it was asked.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOSTS = ("--host", "--hostname", "--listen-ip")
PORTS = ("--port", "--listen-port")


class StandIn(BaseHTTPRequestHandler):
    """Echoes the path, the words that it was started with and what it was sent."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer({})

    def do_POST(self):
        sent = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.answer({"sent": sent.decode("utf-8", "replace")[:2000]})

    def answer(self, more):
        said = {
            "stand_in": Path(sys.argv[0]).name,
            "path": self.path,
            "words": sys.argv[1:],
            **more,
        }
        content = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def value(words, names, otherwise):
    """What stands behind one of these options."""
    return next((words[words.index(name) + 1] for name in names if name in words), otherwise)


if __name__ == "__main__":
    at = value(sys.argv, HOSTS, "127.0.0.1"), int(value(sys.argv, PORTS, "0"))
    ThreadingHTTPServer(at, StandIn).serve_forever()
