"""The state one download's connections share: what is missing, who fetches it, what may be tried again and when."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from models.disk_room import disk_floor, disk_full, require_room
from models.download import ranges
from models.download.digest import Digest
from models.download.partial import Partial
from models.download.source import LinkExpired, Source, StartOver
from models.download.types import MIB, DownloadSpec, Limits, RemoteFile
from models.errors import DiskFull, HashMismatch, HubTrouble, ModelsError, Offline, RateLimited
from models.network import Network
from models.progress import Progress

_PROGRESS_BYTES = MIB  # what must come between two failures for the second to count as a first


@dataclass(eq=False)
class Item:
    """One file of a download."""

    file: RemoteFile
    partial: Partial
    source: Source
    digest: Digest
    claims: list[Claim] = field(default_factory=list)
    opening: threading.Lock = field(default_factory=threading.Lock)
    failures: int = 0
    mismatches: int = 0
    restarts: int = 0
    fresh_bytes: int = 0  # since the last failure
    not_before: float = 0.0  # monotonic
    verified: bool = False

    @property
    def is_complete(self) -> bool:
        return ranges.covered(self.partial.ranges) == self.file.bytes


@dataclass(eq=False)
class Claim:
    """Bytes one connection fetches. It is void as soon as its item has another partial file."""

    item: Item
    partial: Partial
    start: int
    end: int


class Plan:
    """Hands out what to fetch next, and takes in what came. Every method may be called from any thread."""

    def __init__(self, spec: DownloadSpec, network: Network, token: Callable[[], str | None], limits: Limits) -> None:
        self._spec = spec
        self._network = network
        self._token = token
        self._limits = limits
        self._lock = threading.Condition(threading.RLock())
        self._not_before = 0.0
        self._unsaved = 0
        self._message = ""
        self._voided: list[Partial] = []
        self._present_bytes = 0
        self.error: BaseException | None = None
        self.stopped = threading.Event()
        self.on_end: Callable[[], None] = lambda: None
        self.items: list[Item] = []

    def add(self, file: RemoteFile, partial: Partial) -> None:
        """Take a file in, as far as it is there."""
        source = Source(self._spec, file, self._network, self._token)
        source.etag = partial.etag
        self.items.append(Item(file, partial, source, Digest(file), verified=partial.verified))

    def add_present(self, file: RemoteFile) -> None:
        """Take in a file that lies at its place already."""
        self._present_bytes += file.bytes

    @property
    def missing_bytes(self) -> int:
        return sum(item.file.bytes - item.partial.done for item in self.items)

    @property
    def is_done(self) -> bool:
        return all(item.verified for item in self.items)

    def go_on(self) -> bool:
        return not self.stopped.is_set()

    def progress(self) -> Progress:
        """Where it is, with a reason when it waits."""
        with self._lock:
            wait_s = self._not_before - time.monotonic()
            message = f"{self._message} Waiting {wait_s:.0f} s." if wait_s > 0 else ""
            done = self._present_bytes + sum(item.partial.done for item in self.items)
        return Progress(done, self._spec.total_bytes, "bytes", message)

    def check_room(self) -> None:
        """Stop with DiskFull when what others wrote leaves less than the floor."""
        try:
            require_room(existing(self._spec.folder), 0, self._spec.repo, self._limits.floor_bytes)
        except DiskFull:
            self.stop(self.no_room())

    def no_room(self) -> DiskFull:
        """The error that says what is still missing."""
        folder = existing(self._spec.folder)
        floor = disk_floor(folder) if self._limits.floor_bytes is None else self._limits.floor_bytes
        return disk_full(
            folder, self.missing_bytes, shutil.disk_usage(folder).free, f"The rest of {self._spec.repo}", floor
        )

    def stop(self, error: BaseException | None = None) -> None:
        """End everything; the first error is the one that counts."""
        with self._lock:
            if error is not None and self.error is None and not self.stopped.is_set():
                self.error = error
            self.stopped.set()
            self._lock.notify_all()
        self.on_end()

    def take(self) -> Claim | None:
        """The next bytes to fetch, after waiting as long as a server asked; None when there is nothing left."""
        with self._lock:
            while self.go_on() and not self.is_done:
                now = time.monotonic()
                ready = max((self._not_before, now))
                if ready <= now and (claim := self._claim(now)) is not None:
                    return claim
                times = [item.not_before for item in self.items if item.not_before > now]
                self._lock.wait(max(0.01, min([ready, *times] if ready > now else times, default=now + 1.0) - now))
        return None

    def _claim(self, now: float) -> Claim | None:
        for item in self.items:
            if item.verified or item.not_before > now:
                continue
            taken = [(claim.start, claim.end) for claim in item.claims]
            longest = item.file.bytes if item.source.whole else self._limits.part_bytes
            gap = ranges.next_gap((*item.partial.ranges, *taken), item.file.bytes, longest)
            if gap is None:
                if item.claims or not item.is_complete:
                    continue
                gap = (item.file.bytes, item.file.bytes)  # all is there, and its hash is to be looked at
            claim = Claim(item, item.partial, *gap)
            item.claims.append(claim)
            return claim
        return None

    def arrived(self, claim: Claim, start: int, end: int) -> bool:
        """Count bytes that were written; whether the claim still holds."""
        with self._lock:
            item = claim.item
            if self.stopped.is_set() or item.partial is not claim.partial:
                return False
            claim.partial.add(start, end)
            item.fresh_bytes += end - start
            self._unsaved += end - start
            if self._unsaved >= self._limits.part_bytes // 4:
                self._note()
        return True

    def _note(self) -> None:
        self._unsaved = 0
        for item in self.items:
            if item.partial.is_dirty:
                item.partial.etag = item.source.etag
                item.partial.note()

    def release(self, claim: Claim) -> bool:
        """The claim was fetched, or given up; whether its file is complete and nobody else is to finish it."""
        with self._lock:
            item = claim.item
            if claim in item.claims:
                item.claims.remove(claim)
            self._lock.notify_all()
            finishing = not item.claims and item.partial is claim.partial and item.is_complete
            if finishing:  # nobody takes it up while its hash is looked at
                item.claims.append(claim)
            return finishing and not item.verified

    def verified(self, item: Item) -> None:
        with self._lock:
            item.verified = True
            item.partial.verified = True
            item.claims.clear()
            self._lock.notify_all()
        if self.is_done:
            self.on_end()

    def mismatched(self, item: Item) -> None:
        """The bytes are not those that were promised: once more from the start, then it is an error."""
        with self._lock:
            host, found = item.source.host, item.digest.found
            item.mismatches += 1
            if item.mismatches <= 1:
                self._restart(item)
                return
        self.stop(
            HashMismatch(
                f"{host} sent other bytes for {item.file.path} than the Hub promised, twice; they were deleted.",
                host=host,
                expected=item.digest.expected,
                found=found,
                hint="Try again later, or from another address (hub_endpoint in the settings).",
            )
        )

    def failed(self, claim: Claim, error: Exception) -> None:
        """Give the claim back; try again later what may pass by itself, end the download for anything else."""
        with self._lock:
            item = claim.item
            if claim in item.claims:
                item.claims.remove(claim)
            void = self.stopped.is_set() or item.partial is not claim.partial
            if void:
                return
            if isinstance(error, StartOver):
                self._start_over(item)
            elif not may_pass(error) or not self._try_again(item, error):
                self.stop(error)
            self._lock.notify_all()

    def _start_over(self, item: Item) -> None:
        """The server cannot go on from where we are: from the start, and without ranges the second time."""
        item.restarts += 1
        if item.restarts > self._limits.resumes:
            self.stop(
                HubTrouble(f"{item.source.host} cannot deliver {item.file.path} as it was announced.", status=200)
            )
            return
        item.source.whole = True
        self._restart(item)

    def _restart(self, item: Item) -> None:
        self._voided.append(item.partial)  # others may be writing to it: it is closed at the end
        item.partial.unlink()
        item.partial = Partial(self._spec, item.file)
        item.digest = Digest(item.file)
        item.claims.clear()
        item.source.etag = item.source.address = ""
        self._lock.notify_all()

    def _try_again(self, item: Item, error: Exception) -> bool:
        now = time.monotonic()
        if isinstance(error, RateLimited):
            if error.retry_after_s > self._limits.patience_s:
                return False
            self._not_before = max(self._not_before, now + error.retry_after_s)
            self._message = error.message
        if now < item.not_before:  # connections of one file mostly fail together: that is one failure
            return True
        item.failures = 1 if item.fresh_bytes >= _PROGRESS_BYTES else item.failures + 1
        item.fresh_bytes = 0
        if item.failures > self._limits.resumes:
            return False
        at_once = isinstance(error, LinkExpired) and item.failures == 1
        wait_s = self._limits.backoff_s * 2.0 ** (item.failures - 1) * random.uniform(1.0, 1.25)  # noqa: S311
        item.not_before = now + (0.0 if at_once else wait_s)
        return True

    def close(self, *, keep: bool) -> None:
        """Close every file; keep what came, or remove it."""
        for partial in self._voided:
            partial.close()
        for item in self.items:
            item.partial.etag = item.source.etag or item.partial.etag
            if keep and item.partial.done:
                item.partial.keep()
            else:
                item.partial.discard()


def may_pass(error: Exception) -> bool:
    """Whether a failure is worth another try by itself."""
    if isinstance(error, HubTrouble):
        return error.status >= 500 or error.status < 400 or isinstance(error, LinkExpired)
    return isinstance(error, Offline | RateLimited)


def keeps(error: BaseException | None) -> bool:
    """Whether what came before `error` is still good for going on later."""
    if isinstance(error, HubTrouble):
        return error.status >= 500
    return isinstance(error, ModelsError) and error.kind in _KEEP


# Somebody can do something about each of these: log in, accept a licence, make room; then it goes on.
_KEEP = (
    *("offline", "air_gapped", "network_error", "hub_rate_limited"),
    *("hub_login_needed", "hub_licence_needed", "disk_full"),
)


def existing(folder: Path) -> Path:
    """`folder`, or the nearest one above it that is there already."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
