"""A Hugging Face Hub of one's own on 127.0.0.1: as much of its HTTP as the client needs to upload a folder and to fetch files."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub:
    """What the server knows: by repository its commits, oldest first, each with all files; and what it was asked.

    With ``refuses`` every upload is answered with that status.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, list[dict[str, bytes]]] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        self.cards: list[str] = []
        self.address = ""
        self.refuses = 0

    def commit(self, name: str, files: dict[str, bytes]) -> str:
        self.repositories.setdefault(name, []).append(files)
        return self.hash_of(name, -1)

    def hash_of(self, name: str, index: int) -> str:
        index %= len(self.repositories[name])
        return hashlib.sha1(f"{name} {index}".encode()).hexdigest()

    def find(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        for index, files in enumerate(self.repositories[name]):
            if revision == self.hash_of(name, index):
                return revision, files
        if revision != "main":
            return None
        return self.hash_of(name, -1), self.repositories[name][-1]

    def fetched(self) -> set[str]:
        """The files whose contents were asked for."""
        return {path.rpartition("/")[2] for path in self.asked if path.startswith("GET ") and "/resolve/" in path}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def do_GET(self) -> None:
        self._serve(body=True)

    def do_POST(self) -> None:
        content = self._body()
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"POST {path}")
        if self.hub.refuses:
            return self._answer(self.hub.refuses, {"error": "not you"})
        if path == "/api/repos/create":
            asked = json.loads(content)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            if name in self.hub.repositories:
                return self._answer(409, {"error": "there already", "url": f"{self.hub.address}/{name}"})
            self.hub.repositories[name] = [{".gitattributes": b""}]
            self.hub.private[name] = bool(asked.get("private")) or asked.get("visibility") == "private"
            return self._answer(200, {"url": f"{self.hub.address}/{name}", "name": name})
        if path == "/api/validate-yaml":
            self.hub.cards.append(json.loads(content)["content"])
            return self._answer(200, {"errors": [], "warnings": []})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            files = json.loads(content)["files"]
            modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None} for f in files]
            return self._answer(200, {"files": modes})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            name = match[1]
            files = dict(self.hub.repositories[name][-1])
            for line in map(json.loads, content.decode().splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "deletedFile":
                    del files[value["path"]]
            oid = self.hub.commit(name, files)
            return self._answer(200, {"commitUrl": f"{self.hub.address}/{name}/commit/{oid}", "commitOid": oid})
        return self._answer(404, {"error": "nothing"})

    def _serve(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        match = api or file
        name = match[1] if match else ""
        if name not in self.hub.repositories:
            return self._answer(
                404, {"error": "no"}, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no such"}, body
            )
        assert match is not None
        found = self.hub.find(name, (match[3] if api else match[2]) or "main")
        if found is None:
            return self._answer(
                404, {"error": "no"}, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "no"}, body
            )
        commit, files = found
        if api and api[2] == "tree":
            listed = [{"type": "file", "path": p, "size": len(c), "oid": _oid(c)} for p, c in files.items()]
            return self._answer(200, listed, body=body)
        if api:
            siblings = [{"rfilename": p, "size": len(c), "blobId": _oid(c)} for p, c in files.items()]
            return self._answer(
                200, {"id": name, "modelId": name, "sha": commit, "siblings": siblings, "tags": []}, body=body
            )
        assert file is not None
        content = files.get(file[3])
        if content is None:
            return self._answer(404, {"error": "no"}, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "no"}, body)
        self._send(200, content, {"X-Repo-Commit": commit, "ETag": f'"{_oid(content)}"'}, body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, value: object, headers: dict[str, str] | None = None, body: bool = True) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}), body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    """A hub without repositories, until the block ends."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
