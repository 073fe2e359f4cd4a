"""An embedding server of our own on loopback that speaks Ollama's and OpenAI's protocol, with faults on demand.

Its vectors are honest: the same text gives the same one, and texts that share words are nearer to each other.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

MODEL = "nomic-embed-text"
DIGEST = "0a109f422b47e3a30ba2b10eca18548e944e8a23073ee3f3e947efcf3c45e59f"
Fault = Literal["500", "404", "wrong dims", "stall", "redirect", "no json", "no vectors", "nan"]


class FakeEmbeddings:
    """The server; use it in a `with`. `faults` are taken by the next requests for vectors, one each."""

    def __init__(self, dimensions: int = 8) -> None:
        self.dimensions = dimensions
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, dict[str, str], Any]] = []  # path, headers in lower case, body
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.fake = self  # type: ignore[attr-defined]
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="fake embeddings")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def texts(self) -> list[str]:
        """All texts that vectors were asked for, in order."""
        return [text for _, _, body in self.requests if isinstance(body, dict) for text in body.get("input", ())]

    def __enter__(self) -> FakeEmbeddings:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def vector(text: str, dimensions: int) -> list[float]:
    """The vector of a text: a sum over its words, each of which has a direction of its own. Not of norm 1."""
    total = [0.0] * dimensions
    for word in text.split() or ["nothing"]:
        digest = hashlib.sha256(word.encode()).digest()
        total = [value + digest[place % 32] / 128 - 1 for place, value in enumerate(total)]
    return total


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def log_message(self, format: str, *args: Any) -> None:
        pass

    @property
    def _fake(self) -> FakeEmbeddings:
        fake: FakeEmbeddings = self.server.fake  # type: ignore[attr-defined]
        return fake

    def _answer(self, body: Any) -> None:
        fake = self._fake
        fake.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        if self.path == "/api/tags":
            self._send(200, {"models": [{"model": f"{MODEL}:latest", "name": f"{MODEL}:latest", "digest": DIGEST}]})
        elif self.path == "/api/show":
            self._send(200, {"details": {}, "model_info": {"nomic-bert.context_length": 2048}})
        elif self.path in ("/api/embed", "/v1/embeddings"):
            self._embed(body, fake.faults.popleft() if fake.faults else None)
        else:
            self._send(404, {"error": "no such path"})

    def _embed(self, body: Any, fault: Fault | None) -> None:
        if fault == "stall":
            self._fake.closing.wait(30)
        elif fault == "redirect":
            self.send_response(307)
            self.send_header("location", "http://localhost:1/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()
        elif fault in ("500", "404"):
            self._send(
                int(fault), {"error": {"message": "out of luck"}} if "v1" in self.path else {"error": "out of luck"}
            )
        elif fault == "no json":
            self._send(200, b"<html>hello</html>")
        else:
            self._send(200, self._vectors(body, fault))

    def _vectors(self, body: Any, fault: Fault | None) -> Any:
        size = self._fake.dimensions + (1 if fault == "wrong dims" else 0)
        found = [] if fault == "no vectors" else [vector(text, size) for text in body["input"]]
        if fault == "nan":
            found[0][0] = math.nan
        if self.path == "/api/embed":
            return {"model": body["model"], "embeddings": found}
        rows = [{"object": "embedding", "index": place, "embedding": one} for place, one in enumerate(found)]
        return {"object": "list", "data": rows[::-1]}  # the order is the index's to say

    def _send(self, status: int, value: Any) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
