"""Reads a GGUF header where the file lies: a few range requests instead of gigabytes, under the same checks as a file.

Most of a header is the vocabulary, 2 to 12 MiB, which is stepped over but must be seen; requests grow as it goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from models.errors import BadGguf, CommitChanged, HubError, HubTrouble, TooLarge
from models.gguf import GgufHeader, header_of
from models.gguf_scan import Refused, scan
from models.hub.answer import fetch

MAX_BYTES = 64 << 20
FIRST_BYTES = 512 << 10
MOST_BYTES = 8 << 20
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True)
class RemoteHeader:
    """A header and what reading it cost."""

    header: GgufHeader
    bytes_read: int


@dataclass(frozen=True)
class RemoteSource:
    """Where a file lies and how to ask for it. `failure` turns a status from 400 on into an error."""

    client: httpx.Client
    url: str
    name: str
    headers: dict[str, str]
    failure: Callable[[int, httpx.Headers], HubError]


def file_url(endpoint: str, repo: str, commit: str, path: str) -> str:
    """The address of a file at a commit."""
    return f"{endpoint}/{repo}/resolve/{quote(commit, safe='')}/{quote(path)}"


def read_remote_header(source: RemoteSource) -> RemoteHeader:
    """Read and check the header of one remote file; blocks.

    Raises BadGguf as read_header does, TooLarge after 64 MiB, CommitChanged when the file changes meanwhile, HubError,
    NetworkError.
    """
    reader = RangeReader(source)
    reader.read(4)  # learns the size
    reader.seek(0)
    try:
        found = scan(reader, reader.file_bytes)
    except Refused as error:
        raise BadGguf(f"{source.name} is refused: {error}.", hint=error.hint) from None
    return RemoteHeader(header_of(found, reader.file_bytes), reader.bytes_read)


class RangeReader:
    """seek and read over a remote file, forwards; at most MAX_BYTES are fetched, in steps that double."""

    def __init__(self, source: RemoteSource) -> None:
        self._source = source
        self._url = source.url
        self._at = 0
        self._block = b""
        self._block_start = 0
        self._step = FIRST_BYTES
        self.file_bytes = 0
        self.bytes_read = 0

    def seek(self, offset: int) -> int:
        self._at = offset
        return offset

    def read(self, count: int) -> bytes:
        """`count` bytes, fewer at the end of the file."""
        start = self._at - self._block_start
        if start < 0 or start + count > len(self._block):
            kept = self._block[start:] if 0 <= start < len(self._block) else b""
            missing = count - len(kept)
            fetched = self._fetch(self._at + len(kept), max(missing, self._step))
            self._block, self._block_start, start = kept + fetched, self._at, 0
        piece = self._block[start : start + count]
        self._at += len(piece)
        return piece

    def _fetch(self, start: int, count: int) -> bytes:
        if self.file_bytes:
            count = min(count, self.file_bytes - start)
        if count <= 0:
            return b""
        if self.bytes_read + count > MAX_BYTES:
            raise TooLarge(f"The header of {self._source.name} is longer than {MAX_BYTES // 10**6} MB.")
        headers = {**self._source.headers, "range": f"bytes={start}-{start + count - 1}", "accept-encoding": "identity"}
        try:
            answer = fetch(self._source.client, "GET", self._url, headers=headers, max_bytes=count)
        except TooLarge:  # all of the file was on its way
            raise self._no_parts(200) from None
        if answer.status == 416 and start == 0:
            raise BadGguf(f"{self._source.name} is refused: it is empty.", hint="Get another file of the model.")
        if answer.status >= 400:
            raise self._source.failure(answer.status, answer.headers)
        total = self._total(answer.status, answer.headers, start, len(answer.body))
        if self.file_bytes and total != self.file_bytes:
            raise CommitChanged(f"{self._source.name} changed while it was read.", hint="Try again.")
        self.file_bytes = total
        self.bytes_read += len(answer.body)
        self._url = answer.url  # the signed address: the next range needs no redirect
        self._step = min(self._step * 2, MOST_BYTES)
        return answer.body

    def _total(self, status: int, headers: httpx.Headers, start: int, received: int) -> int:
        """Size of the file, once the answer is the range that was asked for."""
        stated = _RANGE.fullmatch(headers.get("content-range", ""))
        if status == 206 and stated and int(stated[1]) == start and int(stated[2]) - start + 1 == received:
            return int(stated[3])
        raise self._no_parts(status)

    def _no_parts(self, status: int) -> HubTrouble:
        host = httpx.URL(self._url).host
        return HubTrouble(
            f"{host} does not send parts of a file, so {self._source.name} cannot be looked into.",
            status=status,
            hint="Download it to see how it fits.",
        )
