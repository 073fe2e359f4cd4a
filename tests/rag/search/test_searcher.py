"""The whole search over thirty files: database, vector index and the built-in embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rag.errors import BadQuery, CollectionNotFound
from rag.search.analysis import analyse
from rag.search.dense import Compared, DenseSide, Stored
from rag.search.types import Found, SearchWish
from rag.store.rows import CollectionRow
from tests.rag.search.library import LIBRARY, SUBJECTS, SearchHome

T = TypeVar("T")
EMBEDDER_THERE_IS_NOT = "nowhere/model"


class Library:
    """The library's files with their vectors, and the same files in a collection whose embedder is not there."""

    def __init__(self, runner: asyncio.Runner, folder: Path) -> None:
        self._runner = runner
        self.home = runner.run(SearchHome.open(folder))
        self.files = runner.run(self.home.add("files", LIBRARY))
        self.words = runner.run(self.home.add("words", LIBRARY, EMBEDDER_THERE_IS_NOT))
        runner.run(self.home.embed(self.files))
        # Threads and children begin when they are first needed; those that stay belong to no single test.
        runner.run(self._warm())

    async def _warm(self) -> None:
        both = (self.files, self.words)
        await asyncio.gather(*(self.home.search(each, f"water {n}") for n in range(8) for each in both))

    def search(self, query: str, collection: CollectionRow | None = None, **wishes: object) -> Found:
        return self._runner.run(self.home.search(collection or self.files, query, **wishes))

    def run(self, wish: SearchWish) -> Found:
        return self.complete(self.home.searcher.search(wish))

    def complete(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with asyncio.Runner() as runner:
        made = Library(runner, tmp_path_factory.mktemp("library"))
        yield made
        runner.run(made.home.close())


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("when does the sleeper to Austria depart", "notes/03.txt"),
        ("when must the cat see the vet?", "notes/15.txt"),
        ("what to do when a heater stays cold at the top", "house/heating.md"),
        ("ask a busy server again with exponential backoff", "tools/net/retry.py"),
        ("manometer", "house/heating.md"),
        ("parse_retry_after", "tools/net/retry.py"),
        ("retryFetch", "tools/net/retry.py"),
        ("ServerBusyError: https://example.org did not answer after 5 attempts", "tools/net/retry.py"),
        ('"signed by two people"', "notes/14.txt"),
        ("net retry", "tools/net/retry.py"),
    ],
)
def test_what_answers_comes_first(library: Library, query: str, path: str) -> None:
    found = library.search(query)
    assert found.hits[0].path == path
    assert found.relevant


def test_hits_say_where_they_stand(library: Library) -> None:
    hit = library.search("parse_retry_after", k=1).hits[0]
    text = LIBRARY["tools/net/retry.py"]
    assert hit.text == text[hit.start_char : hit.end_char]
    assert hit.start_line == text[: hit.start_char].count("\n") + 1
    assert hit.end_line == text[: hit.end_char].count("\n") + 1
    assert hit.file == str(Path(hit.root, hit.path))
    assert hit.collection == "files"


def test_scores_fall_from_one_to_zero(library: Library) -> None:
    scores = [hit.score for hit in library.search("cold water", k=20).hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_the_decisive_sentence_is_marked(library: Library) -> None:
    hit = library.search("where is the refill tap for the boiler pressure", k=1).hits[0]
    (sentence,) = (mark for mark in hit.highlights if mark.kind == "sentence")
    assert hit.text[sentence.start : sentence.end] == "Refill through the blue tap behind the kitchen panel."
    words = {hit.text[mark.start : mark.end] for mark in hit.highlights if mark.kind == "word"}
    assert {"Refill", "tap", "boiler"} <= words


def test_every_candidate_is_accounted_for(library: Library) -> None:
    found = library.search("oil for the chain of my bicycle", k=3)
    rows = found.trace.candidates
    assert {row.final_rank for row in rows if not row.dropped} == {1, 2, 3}
    assert all(row.dropped == "below_k" and row.why for row in rows if row.final_rank is None)
    first = rows[0]
    assert (first.lexical_rank, first.dense_rank, first.final_rank) == (1, 1, 1)
    assert first.lexical_score is not None and first.lexical_score > 0
    assert first.dense_score is not None and 0 < first.dense_score <= 1
    names = [stage.name for stage in found.trace.stages]
    assert names == ["analyse", "lexical", "dense", "fuse", "fold", "merge", "budget", "highlight"]
    assert found.trace.terms == ("oil", "chain", "bicycle")


def test_words_in_quotes_must_stand_there(library: Library) -> None:
    found = library.search('coffee "through the flap"')
    assert [hit.path for hit in found.hits] == ["notes/05.txt"]
    assert {row.dropped for row in found.trace.candidates} == {"", "phrase"}


def test_words_in_quotes_that_stand_nowhere_are_searched_as_words(library: Library) -> None:
    found = library.search('"flap of the library"')
    assert found.hits[0].path == "notes/05.txt"


def test_one_side_alone_can_be_asked(library: Library) -> None:
    by_words = library.search("sleeper to Austria", mode="lexical")
    by_meaning = library.search("sleeper to Austria", mode="dense")
    assert all(row.dense_rank is None for row in by_words.trace.candidates)
    assert all(row.lexical_rank is None for row in by_meaning.trace.candidates)
    assert by_meaning.hits[0].path == "notes/03.txt"
    assert (by_words.trace.dense_weight, by_meaning.trace.dense_weight) == (0.0, 1.0)


def test_a_given_weight_is_used(library: Library) -> None:
    assert library.search("cold water", dense_weight=0.25).trace.dense_weight == 0.25


def test_a_pattern_confines_the_search(library: Library) -> None:
    assert {hit.path for hit in library.search("water", path="house/").hits} == {"house/heating.md"}
    assert {hit.path for hit in library.search("water", path="*.py").hits} == {"tools/net/retry.py"}
    assert library.search("water", path="nowhere/").hits == ()


def test_a_budget_is_kept(library: Library) -> None:
    found = library.search("cold water", k=20, budget_tokens=64)
    assert 0 < sum(len(hit.text) for hit in found.hits) <= 64 * 3.5
    assert "budget" in {row.dropped for row in found.trace.candidates}


def test_without_its_embedder_a_collection_is_searched_by_words(library: Library) -> None:
    found = library.search("bicycle chain oil", library.words)
    assert found.hits[0].path == "notes/13.txt"
    assert found.note.startswith("Searched by words alone")
    assert found.trace.dense_weight == 0.0


def test_candidates_compare_alike_however_many_of_their_vectors_were_read_ahead(library: Library) -> None:
    home = library.home
    dense = DenseSide(home.store, home.vectors, home.embedders)

    async def compare() -> list[Compared]:
        nearest = await dense.nearest(library.files, analyse("water"), 12, None)
        ids = [number for number, _ in nearest.found]
        ahead = await dense.stored(library.files, ids[:5])
        assert sorted(ahead.ids.tolist()) == sorted(ids[:5])
        assert not len((await dense.stored(library.words, ids[:5])).ids)
        other = replace(ahead, space=replace(ahead.space, id=999))  # type: ignore[type-var]
        parts = [(Stored(), ids), (ahead, ids[5:]), (other, ids[5:])]
        return [await dense.compare(nearest, stored, others) for stored, others in parts]

    at_once, in_two, after_a_change = library.complete(compare())
    assert len(at_once.crowding) == 12
    assert in_two.cosines == after_a_change.cosines == at_once.cosines
    assert in_two.crowding == pytest.approx(at_once.crowding)
    assert after_a_change.crowding == pytest.approx(at_once.crowding)


def test_several_collections_give_each_passage_once(library: Library) -> None:
    found = library.run(SearchWish((library.files.id, library.words.id), "bicycle chain oil", k=50))
    assert [hit.text for hit in found.hits].count(SUBJECTS[13]) == 1
    assert found.hits[0].text == SUBJECTS[13]
    assert len(found.hits[0].copies) == 1


def test_what_has_nothing_to_do_with_the_files_is_not_relevant(library: Library) -> None:
    assert not library.search("how do quantum computers factor integers").relevant
    assert not library.search("kubernetes ingress controller annotations").relevant


@pytest.mark.parametrize("query", ["", "  ", "?!", "\0"])
def test_a_query_without_a_word_is_refused(library: Library, query: str) -> None:
    with pytest.raises(BadQuery):
        library.search(query)


@pytest.mark.parametrize(
    "query", ['"', '"" OR', "NEAR(", "a AND NOT b*", "col:x ^y", "💥 crash", "日本語の文書", "x" * 20_000]
)
def test_no_query_is_taken_for_a_language_of_queries(library: Library, query: str) -> None:
    if any(letter.isalnum() for letter in query):
        assert isinstance(library.search(query).hits, tuple)


def test_a_collection_there_is_not(library: Library) -> None:
    with pytest.raises(CollectionNotFound):
        library.run(SearchWish((999,), "water"))
