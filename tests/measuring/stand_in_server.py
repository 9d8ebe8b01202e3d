"""A stand-in for a server of no known kind: holds memory, has a child that does too, is ready late.

It is no model's server: `llmgen measure` is tested with it where the real ones have no children.
"""

import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MIB = 2**20


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/alive" else 404)
        self.end_headers()

    def do_POST(self):
        # The first request takes memory, as first requests do.
        Handler.held = b"\1" * (48 * MIB)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


held = b"\1" * (64 * MIB)
if os.fork() == 0:
    child = b"\2" * (32 * MIB)
    time.sleep(600)
time.sleep(1)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
