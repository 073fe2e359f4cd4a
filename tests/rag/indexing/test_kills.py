"""`kill -9` while the index is made, made again, made smaller, or embedded anew: search is as after a clean rebuild.

Each work is killed several times over, at random moments that a seed gives, and goes on with what was left each time.
The whole matrix, twenty moments of each, is tests/bench/kill_bench.py.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from tests.rag.embedding.fake_servers import FakeEmbeddings
from tests.rag.indexing.kill_child import WORK
from tests.rag.indexing.kills import clean, differences, edit_tree, finish, moments, prepare, run_child

KILLS = int(os.environ.get("JACKDAW_KILLS", "2"))


@pytest.mark.accept(34)
@pytest.mark.parametrize("work", list(WORK))
def test_after_kills_search_is_as_after_a_clean_rebuild(tmp_path: Path, work: str) -> None:
    folder, rebuilt = tmp_path / "killed", tmp_path / "rebuilt"
    folder.mkdir()
    rebuilt.mkdir()
    with FakeEmbeddings(dimensions=32) as server:
        asyncio.run(prepare(folder, server, indexed=work != "index"))
        asyncio.run(prepare(rebuilt, server, indexed=False))
        if work == "index again":
            edit_tree(folder / "root")
            edit_tree(rebuilt / "root")
        expected, seconds = asyncio.run(clean(rebuilt, server, work))
        for after_s in moments(work, seconds, KILLS):
            run_child(folder, work, after_s)
            with sqlite3.connect(folder / "data" / "files.db") as database:
                assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            database.close()
        assert all(expected.values())
        assert not differences(expected, asyncio.run(finish(folder, server, work)))
