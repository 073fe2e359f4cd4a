"""Looks for many byte strings in files at once, and overwrites them.

Blocking, a few seconds per gigabyte whatever the number of strings: the first two bytes at each place are looked up in
a table, the first eight of the few that are left in a sorted list, and only then is the whole compared.
"""

from __future__ import annotations

import mmap
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np

KEY = 8  # bytes; shorter needles are not looked for
_BLOCK = 4 << 20


class Needles:
    """Byte strings to look for, each of at least KEY bytes."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        self.longest = 0
        self._by_key: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for needle in needles:
            if len(needle) >= KEY:
                self._by_key[needle[:KEY]].add(needle)
                self.longest = max(self.longest, len(needle))
        self._keys = np.sort(np.array([np.frombuffer(key, "<u8")[0] for key in self._by_key], np.uint64))
        self._first = np.zeros(1 << 16, np.bool_)
        self._first[(self._keys & np.uint64(0xFFFF)).astype(np.int64)] = True

    def __len__(self) -> int:
        return sum(map(len, self._by_key.values()))

    def places(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Where needles begin in `data`."""
        if len(data) < KEY or not len(self._keys):
            return
        octets = np.frombuffer(data, np.uint8)
        pairs = octets[: 1 - KEY].astype(np.uint16) | (octets[1 : len(octets) + 2 - KEY].astype(np.uint16) << 8)
        likely = np.flatnonzero(self._first[pairs])
        for start in range(0, len(likely), 1 << 18):
            part = likely[start : start + (1 << 18)]
            keys = np.zeros(len(part), np.uint64)
            for number in range(KEY):
                keys |= octets[part + number].astype(np.uint64) << np.uint64(8 * number)
            slots = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            for place in part[self._keys[slots] == keys].tolist():
                for needle in self._by_key[data[place : place + KEY]]:
                    if data.startswith(needle, place):
                        yield place, needle


def found_in(file: Path, needles: Needles) -> set[bytes]:
    """The needles that are in a file; none when it is not there."""
    found: set[bytes] = set()
    for offset, data in _blocks(file, needles.longest):
        del offset
        found.update(needle for _, needle in needles.places(data))
    return found


def overwrite(file: Path, needles: Needles) -> int:
    """Put zeros in the place of every needle in a file nobody else has open; how many there were."""
    places = [
        (offset + place, len(needle))
        for offset, data in _blocks(file, needles.longest)
        for place, needle in needles.places(data)
    ]
    if places:
        with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as content:
            for place, size in places:
                content[place : place + size] = bytes(size)
            content.flush()
    return len(set(places))


def files_below(folders: Collection[Path]) -> list[Path]:
    """The regular files in folders, and those of them that are files themselves."""
    found = [folder for folder in folders if folder.is_file()]
    return found + sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())


def _blocks(file: Path, overlap: int) -> Iterator[tuple[int, bytes]]:
    """A file's content in pieces that overlap, so that nothing falls between two."""
    try:
        opened = file.open("rb")
    except FileNotFoundError:
        return
    with opened:
        offset, kept = 0, b""
        while block := opened.read(_BLOCK):
            data = kept + block
            yield offset, data
            kept = data[-(overlap - 1) :] if overlap > 1 else b""
            offset += len(data) - len(kept)
