"""Reads an answer that must be small: however it is packed and however long it goes on, reading ends at the cap."""

from __future__ import annotations

import json
import time
import zlib
from typing import Any, NamedTuple

import httpx

from models.errors import HubTrouble, Offline, TooLarge
from models.network import no_answer

MAX_JSON_BYTES = 16 << 20  # a repository with 10,000 files has 4 MiB
MAX_CARD_BYTES = 4 << 20
DEADLINE_S = 60.0
ACCEPT_PACKING = "gzip"
_EITHER = 47  # zlib's code for gzip or deflate, whichever comes


class Answer(NamedTuple):
    """Status, headers and the whole body, unpacked."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str

    def json(self) -> Any:
        """The body as JSON. Raises HubTrouble when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            host = httpx.URL(self.url).host
            raise HubTrouble(f"{host} sent something that is not an answer.", status=self.status) from error


def fetch(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    max_bytes: int = MAX_JSON_BYTES,
    deadline_s: float = DEADLINE_S,
    follow_redirects: bool = True,
) -> Answer:
    """Make one request and read its answer whole; blocks.

    Raises AirGapped, RedirectRefused, Offline (also after `deadline_s`, however slowly it came), TooLarge at
    `max_bytes` packed or unpacked.
    """
    until = time.monotonic() + deadline_s
    wanted = {"accept-encoding": ACCEPT_PACKING, **(headers or {})}
    try:
        with client.stream(method, url, headers=wanted, follow_redirects=follow_redirects) as response:
            body = _read(response, max_bytes, until)
            return Answer(response.status_code, response.headers, body, str(response.url))
    except httpx.HTTPError as error:
        raise no_answer(error, url) from error


def _read(response: httpx.Response, max_bytes: int, until: float) -> bytes:
    unpack = _Unpacking(response, max_bytes)
    body = bytearray()
    packed = 0
    for chunk in response.iter_raw():
        packed += len(chunk)
        body += unpack.step(chunk, max_bytes + 1 - len(body))
        if packed > max_bytes or len(body) > max_bytes:
            raise TooLarge(
                f"{response.url.host} sent more than {max_bytes // 10**6} MB for an answer; reading was stopped.",
                hint="Check hub_endpoint in the settings.",
            )
        if time.monotonic() > until:
            raise Offline(f"{response.url.host} answers too slowly.", host=response.url.host, hint="Try again later.")
    return bytes(body)


class _Unpacking:
    """gzip and deflate, never more than is asked for: httpx would unpack a whole chunk, a thousandfold, at once."""

    def __init__(self, response: httpx.Response, max_bytes: int) -> None:
        packing = response.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("identity", "gzip", "deflate", ""):
            raise HubTrouble(f"{response.url.host} packed its answer in a way nobody asked for.", status=200)
        self._packed = packing in ("gzip", "deflate")
        self._zlib = zlib.decompressobj(_EITHER)
        self._host = response.url.host

    def step(self, chunk: bytes, most: int) -> bytes:
        """What `chunk` unpacks to, `most` bytes of it; as `most` is one more than may come, the rest is of no use."""
        if not self._packed:
            return chunk
        unpacked = bytearray()
        try:
            while chunk and len(unpacked) < most:
                if self._zlib.eof:  # a further member: left to the old object it would be kept, and copied each time
                    self._zlib = zlib.decompressobj(_EITHER)
                unpacked += self._zlib.decompress(chunk, most - len(unpacked))
                chunk = self._zlib.unused_data
        except zlib.error as error:
            raise HubTrouble(f"{self._host} sent an answer that does not unpack.", status=200) from error
        return bytes(unpacked)
