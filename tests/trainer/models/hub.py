"""A stand-in for the Hugging Face hub on loopback: one folder, served as the repository ``me/tiny``."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "a" * 40


class Hub(ThreadingHTTPServer):
    """The server; ``asked`` is what it was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.folder = folder
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serve(folder: Path) -> Iterator[Hub]:
    hub = Hub(folder)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._answer(self.command == "GET")

    do_HEAD = do_GET

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        files = {
            file.relative_to(self.server.folder).as_posix(): file
            for file in sorted(self.server.folder.rglob("*"))
            if file.is_file()
        }
        headers, status = {"Content-Type": "application/json"}, 200
        if path.startswith(f"/me/tiny/resolve/{COMMIT}/"):
            data = files[path.removeprefix(f"/me/tiny/resolve/{COMMIT}/")].read_bytes()
            headers |= {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        elif path.startswith("/api/models/me/tiny/tree/"):
            rows = [{"type": "file", "oid": "b" * 40, "path": name, "size": file.stat().st_size}
                    for name, file in files.items()]  # fmt: skip
            data = json.dumps(rows).encode()
        elif path in {"/api/models/me/tiny", "/api/models/me/tiny/revision/main"}:
            siblings = [{"rfilename": name, "size": file.stat().st_size} for name, file in files.items()]
            data = json.dumps({"id": "me/tiny", "sha": COMMIT, "siblings": siblings}).encode()
        else:
            data, status = b"{}", 404
            headers |= {"X-Error-Code": "GatedRepo" if "gated" in path else "RepoNotFound"}
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""
