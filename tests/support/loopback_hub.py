"""The hub's endpoints over a folder per repository, on a loopback port: what `models fetch` speaks to in tests.

Spoken: model info at a revision, and files by HEAD and GET with ETag, ranges, and a redirect to a store of large files,
which is another host here too. `stop_after` ends the connection once so many bytes of a file went out.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "8599336fc6c125203efb2360bfaf4c80eef1d1bf"
LARGE = 10_000
"""Bytes from which a file is in the store of large ones."""


@dataclass
class Hub:
    """What the server knows and has seen. `refused`: HTTP status and error code for every request."""

    models: dict[str, Path]
    branches: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    refused: tuple[int, str] | None = None
    stop_after: int | None = None
    damaged: bool = False
    requests: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    authorizations: set[tuple[str, str]] = field(default_factory=set)
    """Host and token of each request."""
    address: str = ""

    def find(self, name: str, revision: str) -> Path | None:
        """The folder of a revision."""
        commit = self.branches.get(revision, revision)
        return self.models.get(name) if commit == COMMIT else None


@contextmanager
def serving(models: dict[str, Path]) -> Iterator[Hub]:
    """A hub of `models` (folder by name), each with the one commit `COMMIT`."""
    hub = Hub(models)

    class Handler(_Handler):
        known = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    known: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal of the tests."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.known, self.path.partition("?")[0]
        hub.requests.append(f"{self.command} {path}")
        hub.authorizations.add((self.headers["Host"].partition(":")[0], self.headers.get("Authorization", "")))
        if hub.refused is not None:
            self._refuse(*hub.refused)
        elif found := re.fullmatch(r"/api/models/(.+)/revision/([^/]+)", path):
            self._info(*found.groups())
        elif found := re.fullmatch(r"/(.+)/resolve/([^/]+)/([^/]+)", path):
            self._file(*found.groups())
        elif found := re.fullmatch(r"/store/(.+)/([^/]+)", path):
            self._content(hub.models[found[1]] / found[2])
        else:
            self._refuse(404, "EntryNotFound")

    def _info(self, name: str, revision: str) -> None:
        folder = self.known.find(name, revision)
        if folder is None:
            self._refuse(404, "RevisionNotFound" if name in self.known.models else "RepoNotFound")
            return
        files = [{"rfilename": path.name, "size": path.stat().st_size} for path in sorted(folder.iterdir())]
        body = json.dumps({"id": name, "sha": COMMIT, "siblings": files}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, name: str, revision: str, entry: str) -> None:
        folder = self.known.find(name, revision)
        if folder is None or not (folder / entry).exists():
            self._refuse(404, "EntryNotFound")
            return
        data = (folder / entry).read_bytes()
        if len(data) < LARGE:
            self._content(folder / entry, etag=_blob_hash(data))
            return
        self.send_response(302)
        store = self.known.address.replace("127.0.0.1", "localhost")
        self.send_header("Location", f"{store}/store/{name}/{entry}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("X-Linked-Etag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _content(self, path: Path, *, etag: str = "") -> None:
        data, begin = path.read_bytes(), 0
        if self.known.damaged:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if (asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))) is not None:
            self.known.ranges.append(self.headers["Range"])
            begin = int(asked[1])
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.send_header("X-Repo-Commit", COMMIT)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if etag:
            self.send_header("ETag", f'"{etag}"')
        self.end_headers()
        if self.command == "GET":
            self._send(data[begin:])

    def _send(self, data: bytes) -> None:
        stop = self.known.stop_after
        if stop is None or len(data) < LARGE:
            self.wfile.write(data)
            return
        self.known.refused = (503, "")
        self.wfile.write(data[:stop])
        self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _blob_hash(data: bytes) -> str:
    """Git's name for a file of that content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
