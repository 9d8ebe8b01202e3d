"""A Hub on loopback that speaks what the real huggingface_hub client asks: models, files, ranges.

Files may be far larger than memory: content is a function of the offset. Every request and every
byte served is counted.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class FakeFile:
    """``head``, then zeros up to ``size``; its digest, or a made-up one when it is too large."""

    head: bytes
    size: int = -1
    lfs: bool = True
    sha256: str = ""

    def __post_init__(self):
        if self.size < 0:
            self.size = len(self.head)
        if not self.sha256:
            whole = (
                self.read(0, self.size)
                if self.size < 2**26
                else self.head + str(self.size).encode()
            )
            self.sha256 = hashlib.sha256(whole).hexdigest()

    def read(self, start, end):
        part = self.head[start:end]
        return part + bytes(end - start - len(part))


@dataclass
class FakeRepo:
    """A repository: commits by name, ``main`` the current one."""

    files: Mapping[str, FakeFile]
    commit: str = "a1" * 20
    token: str = ""
    gated: bool = False
    old: dict[str, Mapping[str, FakeFile]] = field(default_factory=dict)

    def at(self, revision):
        if revision in {"main", self.commit}:
            return self.commit, self.files
        return (revision, self.old[revision]) if revision in self.old else (None, None)

    def push(self, files, commit):
        """A new commit on main; the old one stays readable."""
        self.old[self.commit] = self.files
        self.files, self.commit = files, commit


@dataclass
class FakeHub:
    url: str = ""
    repos: dict[str, FakeRepo] = field(default_factory=dict)
    # Counted before they are written: what a client has is never still to be counted.
    bytes_served: int = 0
    # Of each download the first byte that was asked for, and the one behind the last.
    downloads: list[tuple[int, int]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    status: int = 0
    ranges: bool = True
    # Break the connection after this many bytes of each download.
    break_after: int = 0
    # Send this many bytes more than were asked for, without saying how many come.
    too_much: int = 0
    # Answer questions about repositories with this page.
    page: bytes = b""
    # Where files are kept, when that is another server; and which of our requests had a token.
    storage: str = ""
    authorized: list[str] = field(default_factory=list)


@contextmanager
def serve():
    """A running Hub; stopped and joined at the end."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *args):
        pass

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(path)
        if "Authorization" in self.headers:
            self.hub.authorized.append(path)
        if self.hub.page:
            return self._send(200, self.hub.page, {"Content-Type": "text/html"})
        if self.hub.status:
            return self._fail(self.hub.status)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            return self._model(found[1], found[2] or "main")
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._resolve(*found.groups())
        if found := re.fullmatch(r"/storage/([^/]+/[^/]+)/([^/]+)/(.+)", path):
            return self._storage(*found.groups())
        return self._fail(404)

    def _repo(self, name):
        repo = self.hub.repos.get(name)
        if repo is None:
            self._fail(401, "RepoNotFound")
        elif repo.token and self.headers.get("Authorization") != f"Bearer {repo.token}":
            if repo.gated:
                self._fail(403, "GatedRepo")
            else:
                self._fail(401, "RepoNotFound")
        else:
            return repo
        return None

    def _model(self, name, revision):
        repo = self.hub.repos.get(name) if self._is_gated(name) else self._repo(name)
        if repo is None:
            return
        commit, files = repo.at(revision)
        if commit is None:
            self._fail(404, "RevisionNotFound")
            return
        siblings = [
            {
                "rfilename": path,
                "size": file.size,
                "blobId": "b" * 40,
                **(
                    {"lfs": {"sha256": file.sha256, "size": file.size, "pointerSize": 135}}
                    if file.lfs
                    else {}
                ),
            }
            for path, file in files.items()
        ]
        document = {
            "id": name,
            "sha": commit,
            "private": False,
            "tags": [],
            "downloads": 0,
            "siblings": siblings,
        }
        self._send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _is_gated(self, name):
        # The real Hub tells everybody which files a gated repository has.
        return name in self.hub.repos and self.hub.repos[name].gated

    def _resolve(self, name, revision, path):
        repo = self._repo(name)
        if repo is None:
            return
        commit, files = repo.at(revision)
        if commit is None:
            self._fail(404, "RevisionNotFound")
        elif path not in files:
            self._fail(404, "EntryNotFound")
        else:
            where = f"{self.hub.storage or self.hub.url}/storage/{name}/{commit}/{path}"
            headers = {
                "X-Repo-Commit": commit,
                "X-Linked-Size": str(files[path].size),
                "X-Linked-ETag": f'"{files[path].sha256}"',
                "Location": where,
            }
            self._send(302, b"", headers)

    def _storage(self, name, commit, path):
        file = self.hub.repos[name].at(commit)[1][path]
        start, end = 0, file.size
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and self.hub.ranges:
            start, end = int(wanted[1]), min(int(wanted[2] or file.size) + 1, file.size)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{file.size}")
        else:
            self.send_response(200)
        self.hub.downloads.append((start, end))
        if self.hub.too_much:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(end - start))
        self.end_headers()
        self._body(file, start, end + self.hub.too_much)

    def _body(self, file, start, end):
        stop = min(end, start + self.hub.break_after) if self.hub.break_after else end
        try:
            while start < stop:
                piece = file.read(start, min(stop, start + 2**16))
                self.hub.bytes_served += len(piece)
                self.wfile.write(piece)
                start += len(piece)
        except OSError:
            return
        if stop < end:
            self.close_connection = True

    def _fail(self, status, code=""):
        headers = {"X-Error-Code": code, "X-Error-Message": "refused"} if code else {}
        self._send(status, b'{"error": "refused"}', headers)

    def _send(self, status, body, headers):
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.hub.bytes_served += len(body)
        self.wfile.write(body)
