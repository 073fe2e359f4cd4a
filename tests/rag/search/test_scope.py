"""Searches that are confined to paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import BadQuery
from rag.search import scope
from rag.store.store import FileStore
from tests.rag.store.filled import add_files, new_collection

pytestmark = pytest.mark.anyio

FILES = ("readme.md", "docs/use.md", "docs/deep/api.md", "src/api.py", "src/docs/x.py")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.md", {"readme.md", "docs/use.md", "docs/deep/api.md"}),
        ("docs/", {"docs/use.md", "docs/deep/api.md", "src/docs/x.py"}),
        ("/docs", {"docs/use.md", "docs/deep/api.md"}),
        ("docs/**/api.md", {"docs/deep/api.md"}),
        ("src/api.py", {"src/api.py"}),
        ("nowhere", set()),
        ("  ", set(FILES)),
    ],
)
async def test_patterns(tmp_path: Path, pattern: str, found: set[str]) -> None:
    store = await FileStore.open(tmp_path / "files.db")
    collection = await new_collection(store)
    await add_files(store, collection.roots[0].id, {path: [f"text of {path}"] for path in FILES})
    parsed = scope.pattern_of(pattern)
    if parsed is None:
        assert found == set(FILES)
    else:
        documents = await store.database.read(lambda c: scope.documents(c, collection.id, parsed))
        files = await store.files_of(documents, collection.id)
        assert {ref.path for refs in files.values() for ref in refs} == found
    await store.close()


@pytest.mark.parametrize("pattern", ["#", "[a"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadQuery):
        scope.pattern_of(pattern)
