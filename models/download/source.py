"""Where the bytes of a file come from: the Hub's answer, the address it points to, and which bytes those are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from models.download.ranges import Range
from models.download.types import DownloadSpec, RemoteFile
from models.errors import CommitChanged, HashMismatch, HubTrouble, Offline, RedirectRefused, TooLarge
from models.hub.failures import failure
from models.network import MAX_REDIRECTS, URL, InvalidURL, Network
from models.network_stream import Headers, Incoming, Puller

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (401, 403, 404, 410)  # what a store says of a signed address that has run out


class LinkExpired(HubTrouble):
    """The address the Hub gave is not good any more; it gives a new one."""


class StartOver(Exception):
    """The server cannot go on where we were: the file behind the address is another, or it knows no ranges."""


@dataclass(frozen=True, slots=True)
class Body:
    """An answer that delivers the bytes of a file from `start` on."""

    answer: Incoming
    start: int
    host: str


class Source:
    """Asks for one file; remembers the address the Hub pointed to, and the name of its content.

    `whole` asks without ranges, for servers that do not know them.
    """

    def __init__(self, spec: DownloadSpec, file: RemoteFile, network: Network, token: Callable[[], str | None]) -> None:
        self._spec = spec
        self._file = file
        self._network = network
        self._token = token
        self.address = ""
        self.etag = ""
        self.whole = False

    @property
    def url(self) -> str:
        return f"{self._network.endpoint}/{self._spec.repo}/resolve/{self._spec.commit}/{quote(self._file.path)}"

    @property
    def host(self) -> str:
        """Who sends the bytes, for messages."""
        return urlsplit(self.address or self.url).hostname or ""

    def open(self, puller: Puller, wanted: Range) -> Body:
        """Ask for the bytes `wanted`; all of the file is asked for without a range.

        Raises StartOver when what comes is not that range of the same file; CommitChanged, HashMismatch when the Hub
        now promises another one; RedirectRefused; LinkExpired, Offline, RateLimited, HubTrouble, which may pass; and
        LoginNeeded, LicenceNeeded, RepoNotFound, TooLarge.
        """
        url = self.address or self.url
        changes = 0
        for _ in range(MAX_REDIRECTS + 1):
            token = self._token() if self._network.is_endpoint(url) else None
            answer = puller.get(url, self._headers(wanted, token))
            if self._network.is_endpoint(url):
                self._check_promise(answer.headers)
            if answer.status not in _REDIRECTS:
                return self._accept(answer, wanted, url, has_token=token is not None)
            answer.done()
            target = _leads_to(url, answer.headers.get("location", ""))
            changes += not _same_origin(url, target)
            self._check_redirect(url, target, changes)
            url = target
        raise RedirectRefused(f"{self.host} pointed from one address to the next more than {MAX_REDIRECTS} times.")

    def _headers(self, wanted: Range, token: str | None) -> dict[str, str]:
        headers = {"accept-encoding": "identity"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        if wanted != (0, self._file.bytes):
            headers["range"] = f"bytes={wanted[0]}-{wanted[1] - 1}"
            # A weak tag may stand for other bytes: If-Range takes strong ones only (RFC 9110, 13.1.5).
            if self.etag and not self.etag.startswith("W/"):
                headers["if-range"] = self.etag
        return headers

    def _check_promise(self, headers: Headers) -> None:
        """The Hub says with each file which commit it is of, and which content it points to."""
        commit = headers.get("x-repo-commit")
        if commit is not None and commit != self._spec.commit:
            raise CommitChanged(
                f"{self._network.host} serves another commit of {self._spec.repo} ({commit[:8]}) than the one that was "
                f"chosen ({self._spec.commit[:8]}).",
                hint="Look at the repository again before you go on: its files may have been replaced.",
            )
        linked = (headers.get("x-linked-etag") or "").removeprefix("W/").strip('"')
        promised = self._file.sha256 or self._file.git_sha1
        if linked and promised and linked != promised:
            raise HashMismatch(
                f"{self._network.host} now offers other content as {self._file.path} than was chosen.",
                host=self._network.host,
                expected=promised,
                found=linked,
                hint="Look at the repository again before you go on: its files may have been replaced.",
            )

    def _check_redirect(self, url: str, target: str, changes: int) -> None:
        """One step to a store, as all bytes are checked; the network refuses what no redirect may lead to."""
        away = urlsplit(target).hostname or "no host"
        if changes > 1:
            raise RedirectRefused(f"{urlsplit(url).hostname} pointed on to {away}; that is refused.")
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise RedirectRefused(f"{urlsplit(url).hostname} pointed to {away} without encryption; that is refused.")

    def _accept(self, answer: Incoming, wanted: Range, url: str, *, has_token: bool) -> Body:
        try:
            return self._body(answer, wanted, url, has_token=has_token)
        except BaseException:
            answer.done()
            raise

    def _body(self, answer: Incoming, wanted: Range, url: str, *, has_token: bool) -> Body:
        if answer.status not in (200, 206):
            raise self._refused(answer, url, has_token=has_token)
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise HubTrouble(f"{_host(url)} sent {self._file.path} packed, which was not asked for.", status=200)
        start = self._start(answer, wanted)
        self._check_length(answer, wanted, start, url)
        self.address = url
        self.etag = answer.headers.get("etag", "")
        return Body(answer, start, _host(url))

    def _start(self, answer: Incoming, wanted: Range) -> int:
        etag = answer.headers.get("etag", "")
        if answer.status == 200:
            if wanted != (0, self._file.bytes):
                raise StartOver
            return 0
        said = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        if said is None or (int(said[1]), int(said[2]) + 1) != wanted or said[3] not in ("*", str(self._file.bytes)):
            raise StartOver
        if self.etag and etag and etag != self.etag:
            raise StartOver
        return wanted[0]

    def _check_length(self, answer: Incoming, wanted: Range, start: int, url: str) -> None:
        expected = wanted[1] - start
        if answer.length is None or answer.length == expected:
            return
        text = f"{_host(url)} sends {answer.length:,} bytes of {self._file.path} where {expected:,} were announced."
        raise TooLarge(text) if answer.length > expected else HubTrouble(text, status=answer.status)

    def _refused(self, answer: Incoming, url: str, *, has_token: bool) -> Exception:
        host = _host(url)
        if answer.status == 416:
            return StartOver()
        if answer.status == 408:
            return Offline(f"{host} waited too long for the request.", host=host)
        if answer.status in _GONE and not self._network.is_endpoint(url):
            self.address = ""
            return LinkExpired(
                f"{host} does not hand out {self._file.path} (HTTP {answer.status}).", status=answer.status
            )
        return failure(
            answer.status,
            answer.headers,
            endpoint=self._network.endpoint,
            host=host,
            repo=self._spec.repo,
            has_token=has_token,
        ) or HubTrouble(f"{host} gave an answer nobody expected (HTTP {answer.status}).", status=answer.status)


def _leads_to(url: str, location: str) -> str:
    """The whole address a redirect names. Raises RedirectRefused for what is none."""
    try:
        target = urljoin(url, location)
        _ = urlsplit(target).port, URL(target).host
    except (ValueError, InvalidURL):
        raise RedirectRefused(f"{_host(url)} pointed to something that is no address; that is refused.") from None
    return target


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _same_origin(one: str, other: str) -> bool:
    a, b = urlsplit(one), urlsplit(other)
    return (a.scheme, a.hostname, a.port) == (b.scheme, b.hostname, b.port)
