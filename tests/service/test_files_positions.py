"""Where a passage is said to be, there it is: every hit on the port is held against the bytes of its file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from desktop.client import Client
from desktop.paths import Paths
from desktop.wire_files import AddRoots, SearchRequest, SearchResult
from tests.rag.reading.making import pdf
from tests.service.files_rig import indexed
from tests.service.running import RunningService, running

WORDS = [
    "anchor",
    "ø鯨",
    "müller",
    "😀",
    "naïve",
    "harbour",
    "Ærø",
    "tide\tlog",
    "straße",
    "—",
    "keel",
    "ｆｕｌｌ",
    "rope",
]
QUERIES = ("anchor rope", "How is the müller keel tied?", "straße", "def keel_3", "harbour tide", "😀 鯨", "Section 4")
PAGES = ("The pump stands on level ground.", "Replace the gasket every 400 hours.", "The warranty lasts 31 months.")


def _prose(random: Random, sections: int, end: str) -> str:
    """Markdown with headings, lists and paragraphs in letters of one to four bytes."""
    lines = []
    for number in range(sections):
        lines += [f"## Section {number} {random.choice(WORDS)}", ""]
        lines += [f"- {' '.join(random.choices(WORDS, k=6))}" for _ in range(random.randint(0, 4))]
        lines += ["", *(" ".join(random.choices(WORDS, k=random.randint(8, 90))) + "." for _ in range(3)), ""]
    return end.join(lines) + end * random.randint(0, 3)


def _code(random: Random, functions: int, end: str) -> str:
    lines = ["class Boat:"]
    for number in range(functions):
        lines += [f"\tdef keel_{number}(self, rope):", f"\t\t'''{' '.join(random.choices(WORDS, k=8))}'''"]
        lines += [f"\t\tanchor_{step} = '{random.choice(WORDS)}'" for step in range(random.randint(1, 20))] + [""]
    return end.join(lines)


def _written(folder: Path) -> dict[str, str]:
    """Text files in several encodings and line ends, by name: what decoding them gives."""
    random = Random(4)
    texts: dict[str, str] = {}
    for suffix, end, encoding in product(("md", "txt", "py"), ("\n", "\r\n"), ("utf-8", "utf-8-sig", "utf-16")):
        text = _code(random, 5, end) if suffix == "py" else _prose(random, 4, end)
        name = f"höhe {len(texts)}/{encoding} of {len(end)}.{suffix}"
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode(encoding))
        texts[name] = text
    return texts


@pytest.fixture(scope="module")
def hits(
    module_home: Paths, engine_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, str], list[SearchResult]]]:
    """The texts that were written, and what many searches found in them."""
    folder = tmp_path_factory.mktemp("positions")
    texts = _written(folder)
    (folder / "manual.pdf").write_bytes(pdf(PAGES))
    with running(module_home, environ=engine_environ) as service:
        yield texts, _searched(service, folder)


def _searched(service: RunningService, folder: Path) -> list[SearchResult]:
    async def ask(client: Client) -> list[SearchResult]:
        await indexed(client, AddRoots(collection="boats", paths=[str(folder)]))
        found: list[SearchResult] = []
        for query, merge, budget in product((*QUERIES, *PAGES), (True, False), (None, 700)):
            wish: dict[str, Any] = {"query": query, "merge": merge, "budget_tokens": budget}
            found += (await client.search_files(SearchRequest(collection="boats", k=40, **wish))).results
        return found

    return service.use(ask)


def test_characters_lines_and_text_of_every_hit_are_those_of_the_file(
    hits: tuple[dict[str, str], list[SearchResult]],
) -> None:
    texts, found = hits
    of_texts = [hit for hit in found if hit.path in texts]
    assert {hit.path for hit in of_texts} == set(texts)
    for hit in of_texts:
        text = texts[hit.path]
        assert text[hit.start_char : hit.end_char] == hit.text, hit.path
        assert hit.start_line == text.count("\n", 0, hit.start_char) + 1
        assert hit.end_line == text.count("\n", 0, hit.end_char - 1) + 1
        assert hit.page is None


def test_a_hit_in_a_pdf_names_its_page(hits: tuple[dict[str, str], list[SearchResult]]) -> None:
    of_pages = [hit for hit in hits[1] if hit.path == "manual.pdf"]
    assert {hit.page for hit in of_pages} == {1, 2, 3}
    for hit in of_pages:
        assert hit.page is not None and hit.end_page is not None
        assert all(PAGES[page - 1] in hit.text for page in range(hit.page, hit.end_page + 1))
