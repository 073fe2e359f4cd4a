"""Thirty short files about thirty things, and a home that indexes files with the real parts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Self

from models.network import NetworkRules
from rag.chunking.chunk import chunk
from rag.embedding.embedders import Embedders
from rag.reading.document import Tools, parse
from rag.reading.types import Limits
from rag.reading.version import PARSER_VERSION
from rag.search.searcher import Searcher
from rag.search.types import Found, SearchWish
from rag.store.rows import CollectionRow, FileStat, Indexed, NewCollectionRow, NewDocument
from rag.store.store import FileStore
from rag.vectors.index import VectorIndex

HEAT = """# Heating

## Bleeding radiators

Air in a radiator keeps its upper half cold. Open the valve with the key until water comes, then close it.

## Pressure

The manometer of the boiler should show 1.4 bar when cold. Refill through the blue tap behind the kitchen panel.
"""

RETRY = '''"""Asking a server again."""

import random
import time


def fetch_with_retry(session, url, attempts=5):
    """Ask again after a pause that doubles each time, with some chance in it."""
    for attempt in range(attempts):
        reply = session.get(url)
        if reply.status_code != 503:
            return reply
        time.sleep(2**attempt + random.random())
    raise ServerBusyError(f"{url} did not answer after {attempts} attempts")


def parse_retry_after(header):
    """Seconds that a Retry-After header asks for."""
    return float(header) if header.isdigit() else 0.0
'''

SUBJECTS = (
    "The tomato plants need water every evening in July, more in the greenhouse than outside.",
    "Chess openings with the queen's pawn lead to slower games than those with the king's pawn.",
    "Sourdough bread rises for twelve hours in the cold before it is baked at 240 degrees.",
    "The night train to Vienna leaves at 21:40 from platform seven and has two sleeping cars.",
    "Granite is harder than limestone, and that is why the old steps are made of it.",
    "The library closes at noon on Saturdays; books can be given back through the flap.",
    "A violin's strings are tuned in fifths, those of a guitar mostly in fourths.",
    "Glaciers in the valley have lost eleven metres of thickness since the survey of 1998.",
    "The dentist wants to see the children every six months, grown-ups once a year.",
    "Wool sweaters are washed at thirty degrees and dried lying flat, never hanging.",
    "The lease ends in March and is prolonged by a year unless one side says no in writing.",
    "Hedgehogs sleep from November on; a heap of leaves in a corner is all they need.",
    "Our telescope shows four moons of Jupiter and, in good air, the division of Saturn's rings.",
    "The bicycle's chain should be oiled each 300 kilometres, in rain more often.",
    "Invoices above 5,000 euros are signed by two people of the board.",
    "The cat's vaccination against leukaemia is due again in the autumn.",
    "Salt lowers the freezing point of water, which is why it is strewn on roads.",
    "The choir sings Bach's Christmas Oratorio, parts one to three, in the second week of December.",
    "Guests park behind the barn, since the yard is kept free for the fire brigade.",
    "An espresso takes 25 seconds to run through 18 grams of coffee.",
    "The insurance pays for water damage but not for floods from the river.",
    "Bees swarm in May when the hive is too small for two queens.",
    "A marathon is 42.195 kilometres long; the last two are the hardest.",
    "The password of the guests' network hangs inside the cupboard in the hall.",
    "The ferry does not run when the wind is stronger than force eight.",
    "Basalt columns have six sides because lava shrinks evenly while it cools.",
    "The old camera takes rolls of 120 film, twelve pictures each.",
    "Rent is due on the third working day of a month.",
)

LIBRARY: dict[str, str] = {
    "house/heating.md": HEAT,
    "tools/net/retry.py": RETRY,
    **{f"notes/{number:02d}.txt": text for number, text in enumerate(SUBJECTS)},
}


class SearchHome:
    """A store, a vector index, the built-in embedder and a searcher in one folder."""

    def __init__(self, folder: Path, store: FileStore) -> None:
        self.folder, self.store = folder, store
        self.vectors = VectorIndex(folder / "vectors", store)
        self.embedders = Embedders(
            cache=folder / "cache",
            runtime=folder / "run",
            pidfiles=None,
            definitions=folder / "embedders.json",
            rules=NetworkRules,
        )
        self.searcher = Searcher(store, self.vectors, self.embedders)

    @classmethod
    async def open(cls, folder: Path) -> Self:
        return cls(folder, await FileStore.open(folder / "files.db"))

    async def add(self, name: str, files: Mapping[str, str], embedder: str = "") -> CollectionRow:
        """A collection of these files, without vectors yet."""
        made = await self.store.create_collection(NewCollectionRow(name, embedder))
        root = await self.store.add_root(made.id, str(self.folder / name))
        await self.store.apply([Indexed(root.id, path, STAT, _document(path, text)) for path, text in files.items()])
        return await self.store.collection(made.id)

    async def embed(self, collection: CollectionRow) -> None:
        """Give every chunk its vector."""
        embedder = await self.embedders.open(collection.embedder_id)
        space = await self.store.open_space(collection.id, embedder.identity)
        while found := await self.store.missing_vectors(space):
            rows = await embedder.embed_passages([each.text for each in found])
            await self.store.put_vectors(space.embedder_key, [each.text_hash for each in found], rows)
        while not await self.vectors.place(space):
            pass

    async def search(self, collection: CollectionRow, query: str, **wishes: object) -> Found:
        """What a search with these wishes finds in one collection."""
        return await self.searcher.search(SearchWish((collection.id,), query, **wishes))  # type: ignore[arg-type]

    async def close(self) -> None:
        await self.embedders.close()
        await self.vectors.close()
        await self.store.close()


STAT = FileStat(size=1, mtime_ns=1, inode=1, device=1)


def _document(path: str, text: str) -> NewDocument:
    data = text.encode()
    found = parse(PurePath(path), data, Tools(Limits()))
    return NewDocument(
        hashlib.sha256(data).digest(),
        PurePath(path).suffix,
        PARSER_VERSION,
        found.kind,
        chunk(found, source=text),
        found.language,
        found.title,
    )
