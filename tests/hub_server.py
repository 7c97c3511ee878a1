"""A stand-in of the Hugging Face Hub: model repositories over HTTP, in memory.

It speaks as much of the Hub's API as uploads and downloads of small files need, by HTTP and by
Git LFS; not Xet.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_a_secret_of_the_test"


@dataclass
class Repository:
    """A repository.

    Attributes:
        private: whether a token is needed to read it.
        commits: the files of each commit by name, in order.
    """

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    def commit(self, files: dict[str, bytes]) -> str:
        """Add a commit with these files in all."""
        name = sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits[name] = files
        return name


class Hub:
    """A stand-in that runs from `__enter__` to `__exit__`.

    Attributes:
        repositories: by ``owner/name``.
        url: its address.
        lfs: endings of the names of files that are sent by Git LFS.
        asked: each request, as ``GET /path``, and whether it had the token.
        broken: beginning of requests that fail with status 500.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.lfs: tuple[str, ...] = ()
        self.asked: list[tuple[str, bool]] = []
        self.broken = ""
        self.blobs: dict[str, bytes] = {}
        hub = self

        class Handler(_Handler):
            def __getattr__(self, name: str) -> Any:
                if not name.startswith("do_"):
                    raise AttributeError(name)
                return lambda: self.answer(hub, name[3:])

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Hub:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, hub: Hub, method: str) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        own = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        hub.asked.append((f"{method} {path}", own))
        if hub.broken and f"{method} {path}".startswith(hub.broken):
            return self.send(500, {"error": "broken"})
        if method == "PUT" and path.startswith("/blobs/"):
            hub.blobs[path.removeprefix("/blobs/")] = body
            return self.send(200, {})
        if path == "/api/validate-yaml":
            return self.send(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self.create(hub, json.loads(body), own)
        found = re.fullmatch(r"(?:/api/models)?/([\w-]+/[\w-]+?)(?:\.git)?(/.*)?", path)
        name = found[1] if found else ""
        repository = hub.repositories.get(name)
        if repository is None or (not own and (repository.private or method == "POST")):
            return self.send(401, {"error": "no"}, **{"X-Error-Code": "RepoNotFound"})
        assert found
        rest = found[2] or ""
        if rest == "/info/lfs/objects/batch":
            return self.batch(hub, json.loads(body))
        if rest == "/preupload/main":
            files = [
                {"path": one["path"], "shouldIgnore": False}
                | {"uploadMode": "lfs" if one["path"].endswith(hub.lfs or ("/",)) else "regular"}
                for one in json.loads(body)["files"]
            ]
            return self.send(200, {"files": files})
        if rest == "/commit/main":
            return self.commit(hub, repository, body)
        if told := re.fullmatch(r"/resolve/([^/]+)/(.+)", rest):
            return self.resolve(repository, told[1], told[2])
        if told := re.fullmatch(r"/tree/([^/]+)", rest):
            return self.tree(repository, told[1])
        revision = rest.removeprefix("/revision/") or repository.head
        commit = repository.head if revision == "main" else revision
        if commit not in repository.commits:
            return self.send(404, {"error": "no"}, **{"X-Error-Code": "RevisionNotFound"})
        siblings = [{"rfilename": file} for file in repository.commits[commit]]
        shown = {"id": name, "sha": commit, "private": repository.private}
        return self.send(200, shown | {"siblings": siblings, "tags": [], "downloads": 0})

    def create(self, hub: Hub, asked: dict[str, Any], own: bool) -> None:
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if not own:
            return self.send(401, {"error": "Invalid username or password."})
        private = asked.get("private") or asked.get("visibility") == "private"
        made = hub.repositories[name] = Repository(bool(private))
        made.commit({".gitattributes": b""})
        return self.send(200, {"url": f"{hub.url}/{name}", "name": name, "id": name})

    def batch(self, hub: Hub, asked: dict[str, Any]) -> None:
        objects = [
            one | {"actions": {"upload": {"href": f"{hub.url}/blobs/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        self.send(200, {"transfer": "basic", "objects": objects})

    def commit(self, hub: Hub, repository: Repository, body: bytes) -> None:
        files = dict(repository.commits[repository.head])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header" and value.get("parentCommit") != repository.head:
                return self.send(412, {"error": "A commit has happened since."})
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "lfsFile":
                files[value["path"]] = hub.blobs[value["oid"]]
            if line["key"] == "deletedFile":
                del files[value["path"]]
        name = repository.commit(files)
        url = f"{hub.url}/me/name/commit/{name}"
        return self.send(200, {"success": True, "commitOid": name, "commitUrl": url})

    def tree(self, repository: Repository, revision: str) -> None:
        files = repository.commits[repository.head if revision == "main" else revision]
        shown = [
            {"type": "file", "path": name, "size": len(data), "oid": sha1(data).hexdigest()}
            for name, data in files.items()
        ]
        self.send(200, shown)

    def resolve(self, repository: Repository, revision: str, file: str) -> None:
        commit = repository.head if revision == "main" else revision
        files = repository.commits.get(commit, {})
        if file not in files:
            return self.send(404, {"error": "no"}, **{"X-Error-Code": "EntryNotFound"})
        content = files[file]
        headers = {"ETag": f'"{sha256(content).hexdigest()}"', "X-Repo-Commit": commit}
        return self.send(200, content, **headers)

    def send(self, status: int, content: object, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        kind = "application/octet-stream" if data is content else "application/json"
        for name, value in (headers | {"Content-Type": kind}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
