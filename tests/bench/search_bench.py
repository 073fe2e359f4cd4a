"""How long a search takes at 10,000, 100,000 and 500,000 chunks, and what a chunk costs in memory and on the disk.

    python -m tests.bench.search_bench [--sizes 10000,100000,500000] [--queries 200]

The real database and the real vector index, filled with random unit vectors and with texts of English words whose
frequencies follow Zipf's law: the words of the embedder's vocabulary, and after them pairs of two written together, as
names in source code are. Questions are drawn from the same words, common ones as often as they are common, and go
through the whole search, the embedding of the query included. Each search is measured alone.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from models.network import NetworkRules
from rag.embedding.embedders import Embedders
from rag.embedding.package import package_folder
from rag.search.searcher import Searcher
from rag.search.types import Found, SearchWish
from rag.store.rows import CollectionRow, FileStat, Indexed, NewCollectionRow, NewDocument, Space
from rag.store.store import FileStore
from rag.types import Chunk
from rag.vectors.index import VectorIndex
from tests.bench.rounds import percentile, verdict

SIZES = (10_000, 100_000, 500_000)
TARGET_MS = 50.0
VOCABULARY = 120_000
EXPONENT = 1.07
WORDS = 110  # of a chunk: about 600 characters
CHUNKS = 10  # of a document
BATCH = 200  # documents at once
MIB = 2**20


class Corpus:
    """Made-up texts: the same ones for the same seed."""

    def __init__(self, seed: int = 7) -> None:
        chance = random.Random(seed)
        self._chance = np.random.default_rng(seed)
        words = dict.fromkeys(_vocabulary())
        known = list(words)
        while len(words) < VOCABULARY:
            words["".join(chance.choices(known, k=2))] = None
        self._words = np.asarray(list(words))
        shares = 1.0 / np.arange(1, VOCABULARY + 1) ** EXPONENT
        self._until = np.cumsum(shares / shares.sum())

    def words(self, count: int) -> list[str]:
        """Words as often as they are common."""
        found: list[str] = self._words[np.searchsorted(self._until, self._chance.random(count))].tolist()
        return found

    def question(self) -> str:
        """Four to ten different words, at least one of them not among the thousand commonest, as in a question."""
        words = dict.fromkeys(self.words(int(self._chance.integers(4, 11))))
        rare = self._words[self._chance.integers(1_000, VOCABULARY // 2)]
        return " ".join([*words, str(rare)])

    def vectors(self, count: int) -> NDArray[np.float32]:
        rows = self._chance.standard_normal((count, 384)).astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _vocabulary() -> list[str]:
    """English words, the commonest first."""
    folder = package_folder()
    if folder is None:
        raise SystemExit("The embedder's package is not installed; run `make test` once, it sets up what is missing.")
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").split()
    return [word for word in lines if word.isascii() and word.isalpha() and word.islower() and len(word) > 2]


class Filled:
    """A collection that grows."""

    def __init__(self, store: FileStore, index: VectorIndex, embedders: Embedders, folder: Path) -> None:
        self.store, self.index, self.embedders, self.folder = store, index, embedders, folder
        self.corpus = Corpus()
        self.chunks = 0

    async def begin(self) -> None:
        made = await self.store.create_collection(NewCollectionRow("bench", ""))
        self.root = await self.store.add_root(made.id, "/bench")
        self.collection: CollectionRow = await self.store.collection(made.id)
        identity = (await self.embedders.open("")).identity
        self.space: Space = await self.store.open_space(made.id, identity)

    async def grow(self, size: int) -> float:
        """Add documents until there are `size` chunks; seconds."""
        began = time.perf_counter()
        while self.chunks < size:
            documents = min(BATCH, -(-(size - self.chunks) // CHUNKS))
            await self.store.apply([self._file() for _ in range(documents)])
            missing = await self.store.missing_vectors(self.space, documents * CHUNKS)
            rows = self.corpus.vectors(len(missing))
            await self.store.put_vectors(self.space.embedder_key, [each.text_hash for each in missing], rows)
            while not await self.index.place(self.space):
                pass
        return time.perf_counter() - began

    def _file(self) -> Indexed:
        number = self.chunks // CHUNKS
        chunks, at = [], 0
        for ordinal in range(CHUNKS):
            text = " ".join(self.corpus.words(WORDS))
            end = at + len(text)
            header = " ".join(self.corpus.words(3))
            chunks.append(Chunk(ordinal, at, end, at, end, ordinal + 1, ordinal + 1, text, "prose", header))
            at = end + 1
        self.chunks += CHUNKS
        digest = hashlib.sha256(f"document {number}".encode()).digest()
        path = "/".join(self.corpus.words(2)) + f"/{number}.txt"
        stat = FileStat(size=at, mtime_ns=1, inode=number + 1, device=1)
        return Indexed(self.root.id, path, stat, NewDocument(digest, "text", 1, "prose", chunks, size=at, chars=at))


async def measure(filled: Filled, queries: int) -> None:
    """Search one after the other and print what it took."""
    searcher = Searcher(filled.store, filled.index, filled.embedders)
    questions = [filled.corpus.question() for _ in range(queries + 10)]
    took: list[float] = []
    stages: defaultdict[str, list[float]] = defaultdict(list)
    for number, question in enumerate(questions):
        found = await searcher.search(SearchWish((filled.collection.id,), question))
        if number >= 10:  # the first ones warm caches up
            took.append(found.took_ms)
            _add(stages, found)
    each = ", ".join(f"{name} {statistics.median(values):.1f}" for name, values in stages.items())
    print(f"  {filled.chunks:>7} chunks: p50 {percentile(took, 0.5):.1f} ms, p95 {percentile(took, 0.95):.1f} ms")
    print(f"          medians in ms: {each}")
    print(verdict("p95 in ms", percentile(took, 0.95), TARGET_MS, at_least=False))


def costs(filled: Filled) -> str:
    """Memory of the processes and bytes on the disk, by chunk."""
    own = psutil.Process(os.getpid()).memory_info().rss
    chroma = psutil.Process(filled.index.pid).memory_info().rss if filled.index.pid else 0
    database = sum(path.stat().st_size for path in filled.folder.glob("files.db*"))
    vectors = sum(path.stat().st_size for path in (filled.folder / "vectors").rglob("*") if path.is_file())
    return (
        f"          this process {own / MIB:.0f} MiB, vector index {chroma / MIB:.0f} MiB "
        f"({chroma / filled.chunks:.0f} bytes a chunk); disk: database {database / filled.chunks:.0f} and vectors "
        f"{vectors / filled.chunks:.0f} bytes a chunk"
    )


async def main(sizes: tuple[int, ...] = SIZES, queries: int = 200) -> None:
    with tempfile.TemporaryDirectory(prefix="jdb-") as name:
        folder = Path(name)
        store = await FileStore.open(folder / "files.db")
        index = VectorIndex(folder / "vectors", store)
        embedders = Embedders(
            cache=folder / "cache",
            runtime=folder / "run",
            pidfiles=None,
            definitions=folder / "embedders.json",
            rules=NetworkRules,
        )
        try:
            filled = Filled(store, index, embedders, folder)
            await filled.begin()
            for size in sizes:
                seconds = await filled.grow(size)
                print(f"  filled up to {size} in {seconds:.0f} s; load {os.getloadavg()[0]:.1f}", flush=True)
                await measure(filled, queries)
                print(costs(filled), flush=True)
        finally:
            await embedders.close()
            await index.close()
            await store.close()


def _add(stages: defaultdict[str, list[float]], found: Found) -> None:
    for stage in found.trace.stages:
        stages[stage.name].append(stage.took_ms)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--queries", type=int, default=200)
    chosen = parser.parse_args()
    asyncio.run(main(tuple(int(size) for size in chosen.sizes.split(",")), chosen.queries))
