"""One connection of a download: takes what is missing, reads it into one buffer, writes it where it belongs."""

from __future__ import annotations

import contextlib
import errno
import threading
import time

from models.download.plan import Claim, Item, Plan
from models.download.ranges import frontier
from models.download.source import StartOver
from models.download.types import Limits
from models.errors import ModelsError, Offline, TooLarge
from models.network import Network
from models.network_stream import Incoming, Puller

_PAUSE_S = 0.02
_ROOM_EVERY_S = 1.0
_HASH_STEP = 8 << 20
_SYNC_BYTES = 256 << 20


class Worker(threading.Thread):
    """Runs until the plan has nothing left or is stopped; `abort` wakes it from a silent server."""

    def __init__(self, plan: Plan, network: Network, limits: Limits, number: int) -> None:
        super().__init__(name=f"download {number}", daemon=True)
        self._plan = plan
        self._puller = Puller(network, connect_s=limits.connect_s, stall_s=limits.stall_s)
        self._buffer = memoryview(bytearray(limits.block_bytes))

    def abort(self) -> None:
        self._puller.abort()

    def run(self) -> None:
        try:
            while (claim := self._plan.take()) is not None:
                self._try(claim)
        except BaseException as error:  # whoever waits for us must hear of it
            self._plan.stop(error)
        finally:
            self._puller.close()

    def _try(self, claim: Claim) -> None:
        try:
            if self._fetch(claim) and self._plan.release(claim):
                self._finish(claim.item)
        except (ModelsError, StartOver) as error:
            self._plan.failed(claim, error)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._plan.stop(self._plan.no_room())

    def _fetch(self, claim: Claim) -> bool:
        """Whether all of the claim came; False when it is not wanted any more."""
        item = claim.item
        if claim.start == claim.end:
            return claim.partial.fd >= 0
        # The first of a file asks the Hub; the others wait for the address it gets.
        with item.opening if not item.source.address else contextlib.nullcontext():
            body = item.source.open(self._puller, (claim.start, claim.end))
        claim.partial.url = item.source.url
        try:
            return self._read(claim, body.answer, body.start, body.host)
        finally:
            body.answer.done()

    def _read(self, claim: Claim, answer: Incoming, at: int, host: str) -> bool:
        while at < claim.end:
            read = answer.readinto(self._buffer[: claim.end - at])
            if read == 0:
                raise Offline(f"{host} ended {claim.item.file.path} before its end.", host=host)
            claim.partial.write(self._buffer[:read], at)
            if not self._plan.arrived(claim, at, at + read):
                return False
            at += read
        if answer.length is None and answer.readinto(self._buffer[:1]):
            raise TooLarge(f"{host} sent more of {claim.item.file.path} than the Hub announced; reading stopped there.")
        return True

    def _finish(self, item: Item) -> None:
        item.digest.advance(item.partial.fd, item.file.bytes, self._plan.go_on)
        if item.digest.at < item.file.bytes:
            return
        if not item.digest.is_right:
            self._plan.mismatched(item)
            return
        item.partial.sync()
        item.partial.close()
        self._plan.verified(item)


class Follower(threading.Thread):
    """Goes behind the connections: hashes large files as far as they came, brings them to the disk, minds its room."""

    def __init__(self, plan: Plan, limits: Limits) -> None:
        super().__init__(name="download hash", daemon=True)
        self._plan = plan
        self._large_bytes = limits.part_bytes
        self._checked_at = time.monotonic()

    def run(self) -> None:
        try:
            while not self._plan.stopped.wait(_PAUSE_S) and not self._plan.is_done:
                self._follow()
        except BaseException as error:
            self._plan.stop(error)

    def _follow(self) -> None:
        for item in self._plan.items:
            if item.verified or item.file.bytes <= self._large_bytes:
                continue
            digest, partial = item.digest, item.partial  # in this order: a new digest never meets an old file
            while (upto := frontier(partial.ranges)) - digest.at >= _HASH_STEP and self._plan.go_on():
                digest.advance(partial.fd, min(upto, digest.at + _HASH_STEP), self._plan.go_on)
            if partial.unsynced_bytes >= _SYNC_BYTES:
                partial.sync()
        if time.monotonic() - self._checked_at > _ROOM_EVERY_S:
            self._checked_at = time.monotonic()
            self._plan.check_room()
