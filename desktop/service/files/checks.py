"""Saved checks: questions whose passages were right once, asked again after each indexing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from desktop import wire_files as wire
from desktop.service.errors import BadRequest, in_words
from desktop.service.files.news import FilesNews
from desktop.service.files.rows import check_row
from desktop.service.files.search import Asked, wish_of
from rag.errors import RagError
from rag.files import Files
from rag.search.types import Found
from rag.store.rows import CheckRow, CollectionRow
from rag.types import Hit

EXPECTED_AT_FIRST = 3  # of a check that takes what is found now
# What a check may set of a search; all else is its own.
SETTINGS = ("k", "mode", "dense_weight", "rerank", "merge", "budget_tokens", "path")
_EXPECTED = re.compile(r"(?P<path>.+?)(?::(?P<first>\d+)(?:-(?P<last>\d+))?)?")


@dataclass(frozen=True, slots=True)
class Passage:
    """A place that is to be found: lines from 1, None for anywhere in the file."""

    path: str
    first: int | None = None
    last: int | None = None

    def is_in(self, hit: Hit) -> bool:
        """Whether a hit has some of it."""
        if self.path not in (hit.path, hit.file):
            return False
        if self.first is None or self.last is None:
            return True
        return hit.start_line <= self.last and self.first <= hit.end_line


class FileChecks:
    """Keeps checks and runs them. An event tells of one that does not hold any more."""

    def __init__(self, index: Files, news: FilesNews) -> None:
        self._index = index
        self._news = news

    async def all(self) -> list[wire.Check]:
        names = {row.id: row.name for row in await self._index.store.collections(None)}
        return [check_row(check, names.get(check.collection_id, "")) for check in await self._index.store.checks()]

    async def add(self, new: wire.NewCheck) -> wire.Check:
        """Keep a check and run it. Raises CollectionNotFound, BadQuery, BadRequest for settings that cannot be."""
        row = await self._index.store.by_name(new.collection)
        request = _request(new.query, new.settings)
        found = await self._index.searcher.search(wish_of(request, [row.id]))
        expected = new.expected or [place_of(hit) for hit in found.hits[:EXPECTED_AT_FIRST]]
        if not expected:
            raise BadRequest(
                "nothing_found", "This question finds nothing that could be expected.", hint="Ask it another way."
            )
        name = new.name or new.query[:80]
        check = await self._index.store.add_check(name, row.id, new.query, new.settings, expected)
        return await self._judge(check, row, found)

    async def remove(self, check_id: int) -> None:
        """Raises CheckNotFound."""
        self._news.changed(await self._index.store.remove_check(check_id))

    async def run(self, collection_id: int | None = None) -> list[wire.Check]:
        """Run the checks of one collection, or all of them."""
        rows = {row.id: row for row in await self._index.store.collections(None)}
        checks = await self._index.store.checks(collection_id)
        return [await self._run(check, rows[check.collection_id]) for check in checks if check.collection_id in rows]

    async def _run(self, check: CheckRow, row: CollectionRow) -> wire.Check:
        try:
            found = await self._index.searcher.search(wish_of(_request(check.query, check.settings), [row.id]))
        except RagError as error:
            return await self._note(check, row, False, error.message)
        return await self._judge(check, row, found)

    async def _judge(self, check: CheckRow, row: CollectionRow, found: Found) -> wire.Check:
        passed, message = verdict(check.expected, found.hits)
        return await self._note(check, row, passed, message)

    async def _note(self, check: CheckRow, row: CollectionRow, passed: bool, message: str) -> wire.Check:
        await self._index.store.set_check_result(check.id, passed, message)
        (stored,) = [one for one in await self._index.store.checks(row.id) if one.id == check.id]
        told = check_row(stored, row.name)
        if check.passed is not False and not passed:
            self._news.check_failed(row.id, told)
        if check.passed != passed:
            self._news.changed(row.id)
        return told


def check_of(request: wire.WhyRequest, asked: Asked) -> wire.NewCheck:
    """The check that keeps what this search finds now. Raises BadRequest for a search of several collections."""
    if len(asked.rows) != 1:
        raise BadRequest("bad_check", "A check is of one collection.", hint="Name the collection to search.")
    settings = request.model_dump(include=set(SETTINGS), exclude_defaults=True)
    return wire.NewCheck(
        name=request.save_as_check, collection=asked.rows[0].name, query=request.query, settings=settings
    )


def verdict(expected: Sequence[str], hits: Sequence[Hit]) -> tuple[bool, str]:
    """Whether every expected passage is among the hits, and a sentence that says so."""
    missing = [text for text in expected if not any(passage_of(text).is_in(hit) for hit in hits)]
    if not missing:
        return True, "All expected passages were found."
    return False, f"Not found: {', '.join(missing[:5])}."


def passage_of(text: str) -> Passage:
    """The passage that "docs/a.md:3-9", "docs/a.md:3" or "docs/a.md" names."""
    found = _EXPECTED.fullmatch(text)
    if found is None or found["first"] is None:
        return Passage(text)
    return Passage(found["path"], int(found["first"]), int(found["last"] or found["first"]))


def place_of(hit: Hit) -> str:
    """How a check names a hit."""
    return f"{hit.path}:{hit.start_line}-{hit.end_line}"


def _request(query: str, settings: Mapping[str, Any]) -> wire.SearchRequest:
    if unknown := [name for name in settings if name not in SETTINGS]:
        raise BadRequest("bad_check", f"A check has no setting {unknown[0]!r}.", hint=f"It has {', '.join(SETTINGS)}.")
    try:
        return wire.SearchRequest(query=query, **settings)
    except ValidationError as error:
        raise BadRequest("bad_check", in_words(error)) from None
