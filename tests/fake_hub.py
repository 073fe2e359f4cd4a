"""A Hub of our own on loopback: the routes huggingface_hub 2.4 calls, a CDN on a second host, and faults on demand.

    with FakeHub() as hub:
        hub.add_repo("org/name", {"model.gguf": path, "README.md": b"# Hello"}, licence="mit")
        hub.fault("stall", path="model.gguf", on="cdn", after=1000, times=1)
        ...  # HF_ENDPOINT or our setting = hub.endpoint
        assert not any(seen.token for seen in hub.requests if seen.host == "cdn")

The hub answers as `127.0.0.1`, the CDN as `localhost`, and a `stranger` that nothing should ever go to as `127.0.0.1`
on a third port. By hand: `python -m tests.fake_hub FOLDER [--port N]`, every sub-folder ORG/NAME of it a repository.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from tests.fake_hub_repos import Repo, RepoFile, Source, find

Host = Literal["hub", "cdn", "stranger"]
NAMES: Mapping[Host, str] = {"hub": "127.0.0.1", "cdn": "localhost", "stranger": "127.0.0.1"}
PAGE = 50  # search results and tree entries per page
BLOCK = 64 * 1024
ZEROS = bytes(BLOCK)
# What a fault does. Body faults take `after`, the bytes of the body sent before it happens.
Fault = Literal[
    "status",  # `status`, `code` (X-Error-Code), `retry_after`
    "redirect",  # 302 to `location`
    "stall",  # body stops, connection stays open until the hub is closed
    "cut",  # connection closed in order, less than Content-Length said
    "reset",  # connection reset
    "short",  # body is shorter, and Content-Length says so
    "wrong_bytes",  # same size, other bytes
    "ignore_range",  # 200 and all of the file
    "endless",  # body goes on for ever, chunked
    "gzip_bomb",  # Content-Encoding: gzip, a thousand times as long unpacked
    "other_commit",  # X-Repo-Commit (or sha in the API) names another commit
    "other_etag",  # the file behind the address is a newer one
    "silent",  # takes the request and never answers
]


@dataclass(slots=True)
class Switch:
    """A fault and what it hits: requests whose path ends with `path`, after `skip` of them, `times` of them."""

    kind: Fault
    path: str
    on: Host | None
    method: str
    times: int | None
    skip: int
    after: int
    status: int
    code: str
    retry_after: str
    location: str

    def takes(self, seen: Seen) -> bool:
        """Whether this request is hit; counts."""
        if self.on not in (None, seen.host) or self.method not in ("", seen.method) or self.times == 0:
            return False
        if not seen.path.endswith(self.path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(slots=True)
class Seen:
    """A request as it came. `headers` has lower-case names; `sent` is the bytes of body that left."""

    host: Host
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    at: float  # monotonic
    status: int = 0
    sent: int = 0
    body: bytes = b""

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass
class Answer:
    """What is to be sent. `body` is bytes, or a file of a repository with the half-open range of it."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | tuple[RepoFile, int, int] = b""

    @property
    def length(self) -> int:
        return len(self.body) if isinstance(self.body, bytes) else self.body[2] - self.body[1]


class FakeHub:
    """The Hub and its CDN, each a thread per connection. `tokens` are the valid ones with their user names.

    `rate` limits every body of the CDN to so many bytes per second. `requests` is all that came, in order. `called` are
    addresses by which its hosts name themselves when something stands before them.
    """

    def __init__(self, *, port: int = 0, rate: float | None = None) -> None:
        self.repos: dict[str, Repo] = {}
        self.tokens: dict[str, str] = {}
        self.requests: list[Seen] = []
        self.rate = rate
        self.called: dict[Host, str] = {}
        self.closing = threading.Event()
        self._switches: list[Switch] = []
        self._lock = threading.Lock()
        self._servers: dict[Host, _Server] = {}
        self._threads: list[threading.Thread] = []
        self._port = port

    def __enter__(self) -> FakeHub:
        for host in NAMES:
            server = _Server(self, host, self._port if host == "hub" else 0)
            thread = threading.Thread(target=server.serve, name=f"fake {host}")
            thread.start()
            self._servers[host] = server
            self._threads.append(thread)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.closing.set()
        for server in self._servers.values():
            server.wake()
        for thread in self._threads:
            thread.join()
        for server in self._servers.values():
            server.stop()

    # What is there

    def url(self, host: Host) -> str:
        return self.called.get(host) or f"http://{NAMES[host]}:{self._servers[host].server_port}"

    @property
    def endpoint(self) -> str:
        return self.url("hub")

    def add_repo(self, repo_id: str, files: Mapping[str, Source], **facts: Any) -> Repo:
        """Add a repository, or a new commit to one that is there. `facts` are fields of Repo; `card` is its README."""
        card = facts.pop("card", None)
        repo = self.repos.setdefault(repo_id, Repo(repo_id))
        for name, value in facts.items():
            setattr(repo, name, frozenset(value) if name == "granted" else value)
        repo.commit({**files, **({"README.md": card.encode()} if card is not None else {})})
        return repo

    # What goes wrong

    def fault(
        self,
        kind: Fault,
        *,
        path: str = "",
        on: Host | None = None,
        method: str = "",
        times: int | None = None,
        skip: int = 0,
        after: int = 0,
        status: int = 500,
        code: str = "",
        retry_after: str = "",
        location: str = "",
    ) -> None:
        """Switch a fault on; of several that take a request the first wins. `path` is compared with its end."""
        with self._lock:
            self._switches.append(
                Switch(kind, path, on, method, times, skip, after, status, code, retry_after, location)
            )

    def mend(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._switches.clear()

    # What came

    def seen(self, host: Host | None = None, method: str = "", path: str = "") -> list[Seen]:
        """Requests so far that match, in order."""
        with self._lock:
            return [
                one
                for one in self.requests
                if host in (None, one.host) and method in ("", one.method) and one.path.endswith(path)
            ]

    def note(self, seen: Seen) -> Switch | None:
        """Record a request and say which fault hits it."""
        with self._lock:
            self.requests.append(seen)
            return next((switch for switch in self._switches if switch.takes(seen)), None)


class _Server(ThreadingHTTPServer):
    """One host. Connections are closed with it, whatever they are doing."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, hub: FakeHub, host: Host, port: int) -> None:
        self.hub = hub
        self.host: Host = host
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def serve(self) -> None:
        """Take connections until the hub closes. Not `serve_forever`: ending that takes as long as it polls."""
        while not self.hub.closing.is_set():
            self.handle_request()

    def wake(self) -> None:
        """Let `serve` see that the hub is closing."""
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.server_port)).close()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.hub.closing.is_set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        if self.hub.rate is not None:  # a slow line holds little: what was sent, but for that, has come
            request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that go away in the middle are what we are here for

    def stop(self) -> None:
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        hub, parts = self.server.hub, urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        query = parse_qs(parts.query)
        seen = Seen(self.server.host, self.command, unquote(parts.path), query, headers, time.monotonic(), body=body)
        switch = hub.note(seen)
        if switch is not None and switch.kind == "silent":
            self._hang()
            return
        answer = _early(switch) or _Routes(hub, seen, switch).answer()
        seen.status = answer.status
        self._send(seen, answer, switch)

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _send(self, seen: Seen, answer: Answer, switch: Switch | None) -> None:
        kind, after = (switch.kind, switch.after) if switch is not None else (None, 0)
        length = min(answer.length, after) if kind == "short" else answer.length
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if kind in ("endless", "gzip_bomb"):
            self.send_header("Transfer-Encoding", "chunked")
            if kind == "gzip_bomb":
                self.send_header("Content-Encoding", "gzip")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "HEAD":
            return
        if kind in ("endless", "gzip_bomb"):
            self._send_chunks(seen, _bomb() if kind == "gzip_bomb" else _endless(answer))
            return
        stop = after if kind in ("stall", "cut", "reset") else length
        for sent in self._body(answer.body, min(length, stop), flip=kind == "wrong_bytes"):
            seen.sent += sent
        self._break_off(kind)

    def _break_off(self, kind: Fault | None) -> None:
        if kind == "stall":
            self._hang()
        elif kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        if kind in ("stall", "cut", "reset"):
            self.close_connection = True

    def _hang(self) -> None:
        """Say nothing until the client or the hub is gone."""
        self.close_connection = True
        self.connection.settimeout(0.1)
        while not self.server.hub.closing.is_set():
            with contextlib.suppress(TimeoutError):
                if not self.connection.recv(1):
                    return

    def _body(self, body: bytes | tuple[RepoFile, int, int], length: int, *, flip: bool) -> Iterator[int]:
        """Send `length` bytes; yields how many left at a time. A file goes from disk to socket by itself."""
        if isinstance(body, bytes):
            self.connection.sendall(_flipped(body[:length]) if flip else body[:length])
            yield length
            return
        file, start, _ = body
        rate = self.server.hub.rate if self.server.host == "cdn" else None
        step = length if rate is None else max(1024, min(BLOCK, int(rate / 50)))
        if isinstance(file.source, bytes) or flip:
            yield from self._pieces(_read(file, start, length), step, rate, flip)
            return
        with file.source.open("rb") as source:
            end = start + length
            while start < end:
                sent = os.sendfile(self.connection.fileno(), source.fileno(), start, min(step, end - start, 1 << 30))
                start += sent
                yield sent
                self._wait(sent, rate)

    def _pieces(self, content: bytes, step: int, rate: float | None, flip: bool) -> Iterator[int]:
        content = _flipped(content) if flip else content
        for at in range(0, len(content), max(1, step)):
            piece = content[at : at + step]
            self.connection.sendall(piece)
            yield len(piece)
            self._wait(len(piece), rate)

    def _wait(self, sent: int, rate: float | None) -> None:
        if rate is not None and self.server.hub.closing.wait(sent / rate):
            raise ConnectionAbortedError

    def _send_chunks(self, seen: Seen, blocks: Iterator[bytes]) -> None:
        self.close_connection = True
        for block in blocks:
            self.connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))
            seen.sent += len(block)
            if self.server.hub.closing.is_set():
                return


class _Routes:
    """The answer to one request."""

    def __init__(self, hub: FakeHub, seen: Seen, switch: Switch | None) -> None:
        self.hub = hub
        self.seen = seen
        self.kind = switch.kind if switch is not None else None
        self.user = hub.tokens.get(seen.token, "")

    def answer(self) -> Answer:
        if self.seen.host == "cdn":
            return self._content_of(self._stored())
        if self.seen.host == "stranger":
            return self._content_of(self._stored())
        if self.seen.token and not self.user:
            return _refusal(401, "", "Invalid credentials in Authorization header")
        path = self.seen.path.strip("/").split("/")
        if path[:2] == ["api", "whoami-v2"]:
            return self._whoami()
        if path == ["api", "models"]:
            return self._search()
        if path[:2] == ["api", "models"] and len(path) >= 4:
            return self._of_repo("/".join(path[2:4]), lambda repo: self._api(repo, path[4:]))
        if path[:3] == ["api", "resolve-cache", "models"] and len(path) >= 7:
            return self._of_repo("/".join(path[3:5]), lambda repo: self._resolve(repo, path[5], path[6:], cached=True))
        if len(path) >= 5 and path[2] in ("resolve", "raw"):
            return self._of_repo("/".join(path[:2]), lambda repo: self._resolve(repo, path[3], path[4:]))
        return _refusal(404, "", "Sorry, we can't find the page you are looking for.")

    def _whoami(self) -> Answer:
        if not self.user:
            return _refusal(401, "", "Invalid username or password.")
        role = {"accessToken": {"displayName": "test", "role": "read", "createdAt": "2026-01-01T00:00:00.000Z"}}
        return _json({"type": "user", "id": "1", "name": self.user, "fullname": self.user, "orgs": [], "auth": role})

    def _search(self) -> Answer:
        query = self.seen.query
        found = find(self.hub.repos.values(), query)
        start, limit = int(query.get("cursor", ["0"])[0]), min(int(query.get("limit", [PAGE])[0]), 1000)
        full = bool(query.get("full") or "siblings" in query.get("expand", ()))
        rows = [repo.row(siblings=full) for repo in found[start : start + limit]]
        return _json(rows, self._next(start + limit) if start + limit < len(found) else {})

    def _next(self, cursor: int) -> dict[str, str]:
        """The header that leads to the next page."""
        query = urlencode({**self.seen.query, "cursor": [str(cursor)]}, doseq=True)
        return {"Link": f'<{self.hub.endpoint}{quote(self.seen.path)}?{query}>; rel="next"'}

    def _of_repo(self, repo_id: str, then: Callable[[Repo], Answer]) -> Answer:
        """As the Hub does: whoever is not logged in cannot tell a private repository from one that does not exist."""
        repo = self.hub.repos.get(repo_id)
        if repo is None or (repo.private and not repo.may_read(self.user)):
            return _refusal(404 if self.user else 401, "RepoNotFound", "Repository not found")
        return then(repo)

    def _api(self, repo: Repo, path: list[str]) -> Answer:
        revision = path[1] if len(path) > 1 else "main"
        if path[:1] == ["auth-check"]:
            return self._gate(repo) or _json({})
        if repo.files(revision) is None:
            return _refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if not path or path[0] == "revision":
            row = repo.row(revision, blobs="blobs" in self.seen.query)
            return _json({**row, "sha": "f" * 40} if self.kind == "other_commit" else row)
        if path[0] == "tree":
            return self._tree(repo, revision, "/".join(path[2:]))
        if path[0] == "paths-info":
            files = repo.files(revision) or {}
            return _json([files[name].entry for name in self._asked_paths() if name in files])
        return _refusal(404, "", "Not found")

    def _tree(self, repo: Repo, revision: str, folder: str) -> Answer:
        query = self.seen.query
        rows = repo.tree(revision, folder, recursive=query.get("recursive", [""])[0].lower() == "true")
        if folder and not rows:
            return _refusal(404, "EntryNotFound", f"{folder} does not exist on {revision}")
        start = int(query.get("cursor", ["0"])[0])
        return _json(rows[start : start + PAGE], self._next(start + PAGE) if start + PAGE < len(rows) else {})

    def _asked_paths(self) -> list[str]:
        if self.seen.headers.get("content-type", "").startswith("application/json"):
            return list(json.loads(self.seen.body)["paths"])
        return parse_qs(self.seen.body.decode()).get("paths", [])

    def _gate(self, repo: Repo) -> Answer | None:
        if repo.may_read(self.user):
            return None
        if not self.user:
            text = f"Access to model {repo.id} is restricted. You must have access to it and be authenticated."
            return _refusal(401, "GatedRepo", text)
        return _refusal(403, "GatedRepo", f"Access to model {repo.id} is restricted. Visit its page to ask for access.")

    def _resolve(self, repo: Repo, revision: str, parts: list[str], *, cached: bool = False) -> Answer:
        files, path = repo.files(revision), "/".join(parts)
        if refused := self._gate(repo):
            return refused
        if files is None:
            return _refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if path not in files:
            return _refusal(404, "EntryNotFound", "Entry not found")
        file = files[path]
        commit = "f" * 40 if self.kind == "other_commit" else repo.sha(revision)
        said = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if file.sha256:
            linked = {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.sha256}"'}
            signed = f"{self.hub.url('cdn')}/{repo.id}/{file.sha256}/{quote(path)}?Expires=1&Signature=abc"
            return Answer(302, {**said, **linked, "Location": signed})
        if not cached and self.seen.path.split("/")[3] == "resolve":
            at = f"/api/resolve-cache/models/{repo.id}/{repo.sha(revision)}/{quote(path)}"
            etag = {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.blob_id}"'}
            return Answer(307, {**said, **etag, "Location": at})
        answer = self._content_of(file)
        return Answer(answer.status, {**answer.headers, **said}, answer.body)

    def _stored(self) -> RepoFile | None:
        """The file a path of the CDN names."""
        path = self.seen.path.strip("/").split("/", 3)
        repo = self.hub.repos.get("/".join(path[:2]))
        commits = repo.commits.values() if repo is not None and len(path) == 4 else ()
        files = (files[path[3]] for files in commits if path[3] in files)
        return next((file for file in files if file.sha256 == path[2]), None)

    def _content_of(self, file: RepoFile | None) -> Answer:
        """All of a file or the range of it that was asked for."""
        if file is None:
            return _refusal(403, "", "AccessDenied")
        etag = f'"{file.sha256 or file.blob_id}"' if self.kind != "other_etag" else '"another"'
        said = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        wanted = self.seen.headers.get("range", "")
        changed = self.seen.headers.get("if-range", etag) != etag
        if not wanted or changed or self.kind == "ignore_range":
            return Answer(200, said, (file, 0, file.size))
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, file.size - int(last))
        end = min(file.size, int(last) + 1) if first and last else file.size
        if start >= end:
            return Answer(416, {"Content-Range": f"bytes */{file.size}"})
        return Answer(206, {**said, "Content-Range": f"bytes {start}-{end - 1}/{file.size}"}, (file, start, end))


def _early(switch: Switch | None) -> Answer | None:
    """Faults that need no repository."""
    if switch is None:
        return None
    if switch.kind == "redirect":
        return Answer(302, {"Location": switch.location})
    if switch.kind == "status":
        answer = _refusal(switch.status, switch.code, "As asked")
        retry = {"Retry-After": switch.retry_after} if switch.retry_after else {}
        return Answer(answer.status, {**answer.headers, **retry}, answer.body)
    return None


def _json(value: object, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(200, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value).encode())


def _refusal(status: int, code: str, message: str) -> Answer:
    said = {"X-Error-Message": message, "Content-Type": "application/json"}
    return Answer(status, {**said, **({"X-Error-Code": code} if code else {})}, json.dumps({"error": message}).encode())


def _read(file: RepoFile, start: int, length: int) -> bytes:
    if isinstance(file.source, bytes):
        return file.source[start : start + length]
    with file.source.open("rb") as source:
        source.seek(start)
        return source.read(length)


def _flipped(content: bytes) -> bytes:
    """The same number of other bytes."""
    return bytes(byte ^ 0x55 for byte in content[:1024]) + content[1024:]


def _endless(answer: Answer) -> Iterator[bytes]:
    if isinstance(answer.body, bytes):
        yield answer.body
    else:
        yield _read(answer.body[0], answer.body[1], answer.length)
    while True:
        yield ZEROS


def _bomb() -> Iterator[bytes]:
    packed = gzip.compress(bytes(16 * BLOCK), 9)
    while True:
        yield packed


def repos_in(folder: Path) -> dict[str, dict[str, Source]]:
    """Files of every ORG/NAME below a folder."""
    return {
        repo.relative_to(folder).as_posix(): {
            file.relative_to(repo).as_posix(): file for file in sorted(repo.rglob("*")) if file.is_file()
        }
        for repo in sorted(folder.glob("*/*"))
        if repo.is_dir()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="A Hub on loopback that serves the repositories in a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rate", type=float, default=None, help="bytes per second of each body of the CDN")
    arguments = parser.parse_args()
    with FakeHub(port=arguments.port, rate=arguments.rate) as hub, contextlib.suppress(KeyboardInterrupt):
        for repo_id, files in repos_in(arguments.folder).items():
            hub.add_repo(repo_id, files)
        print(f"listening on {hub.endpoint}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
