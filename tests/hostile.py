"""A server on loopback that answers as it likes; what it could send is counted."""

import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n"
JSON, EVENTS = b"application/json", b"text/event-stream"


class Hostile:
    """``answer(self, connection, request)`` is called for every request that comes."""

    def __init__(self, answer, port=0):
        self.answer, self.sent, self.requests = answer, 0, []
        self.is_up = True
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while self.is_up:
            with suppress(OSError):
                connection, _ = self.listener.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with connection, suppress(OSError):
            while request := self._request(connection):
                self.requests.append(request)
                if not self.answer(self, connection, request):
                    return

    def _request(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return b""
            head += piece
        return head

    def send(self, connection, data):
        connection.sendall(data)
        self.sent += len(data)

    def end(self):
        self.is_up = False
        self.listener.close()


@contextmanager
def hostile(answer):
    server = Hostile(answer)
    try:
        yield server
    finally:
        server.end()


def whole(body, kind=JSON, more=b""):
    """A well-behaved answer, kept alive."""

    def answer(server, connection, _request):
        length = b"Content-Length: %d\r\n" % len(body)
        server.send(connection, HEAD % kind + length + more + b"\r\n" + body)
        return True

    return answer


def endless(piece=b" " * 65536, kind=JSON, start=b"", length=b""):
    """A body without an end, as fast as it is taken."""

    def answer(server, connection, _request):
        server.send(connection, HEAD % kind + length + b"\r\n" + start)
        while server.is_up:
            server.send(connection, piece)

    return answer


def dripping(head=HEAD % JSON + b"\r\n", byte=b" ", pause=0.02):
    """One byte after the other, without an end; with an unfinished ``head``, in the head."""

    def answer(server, connection, _request):
        server.send(connection, head)
        while server.is_up:
            server.send(connection, byte)
            time.sleep(pause)

    return answer


def main():
    """Be a hostile program on ports of a stack until asked to end; then tell what was sent."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    kind, *ports = sys.argv[1:]
    answer = {"endless": endless(), "deep": whole(b"[" * 10**6)}[kind]
    servers = [Hostile(answer, int(port)) for port in ports]
    print("up", flush=True)
    signal.sigwait([signal.SIGTERM])
    print(sum(server.sent for server in servers), flush=True)


if __name__ == "__main__":
    main()
