"""What the lexical index reads: identifiers with their parts, scripts without spaces in pairs, nothing else changed."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.store.lexical_text import lexical_text
from rag.store.schema import TOKENIZER


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain words, With Capitals. And 1999", ""),
        ("getHTTPReply2", "get HTTP Reply 2"),
        ("user_name", "user name"),
        ("__init__", "init"),
        ("MAX_VALUE", "MAX VALUE"),
        ("sha256", "sha 256"),
        ("XMLHttpRequest", "XML Http Request"),
        ("größeÄndern", "größe Ändern"),
        ("userName and userName", "user Name"),
        ("检索中文", "检索 索中 中文"),
    ],
)
def test_the_parts_of_identifiers_stand_behind_the_text(text: str, parts: str) -> None:
    assert lexical_text(text) == (f"{text}\n{parts}" if parts else text)


@given(st.text(max_size=200))
def test_the_text_itself_is_kept_and_the_same_text_gives_the_same(text: str) -> None:
    assert lexical_text(text).startswith(text)
    assert lexical_text(text) == lexical_text(text)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("parse_config", True),  # the whole
        ("config", True),  # a part
        ('"parse config"', True),  # the parts as a phrase
        ('"calls parse_config twice"', True),  # the text's own phrase is not torn
        ("call", True),  # stemmed
        ("检索", True),
        ("pars_config", False),
    ],
)
def test_the_tokenizer_finds_wholes_parts_and_phrases(query: str, found: bool) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"""CREATE VIRTUAL TABLE t USING fts5(text, content='', tokenize="{TOKENIZER}")""")
    connection.execute(
        "INSERT INTO t (rowid, text) VALUES (1, ?)", (lexical_text("It calls parse_config twice 检索中文"),)
    )
    assert bool(connection.execute("SELECT rowid FROM t WHERE t MATCH ?", (query,)).fetchall()) is found
    connection.close()
