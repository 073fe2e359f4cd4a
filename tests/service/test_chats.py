"""Chats: a tree of messages, search, deletion that can be taken back, recovery after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from desktop.service.chat_rows import CHATS_MIGRATIONS, MessageRecord
from desktop.service.chats import Chats, branch, match_expression, new_id, title_of
from desktop.service.errors import BadRequest, NotFound
from models.database import Database


def with_chats(path: Path, run: Callable[[Chats], Awaitable[None]]) -> None:
    async def whole() -> None:
        database = await Database.open(path, CHATS_MIGRATIONS)
        try:
            await run(Chats(database))
        finally:
            await database.close()

    asyncio.run(whole())


def message(chat_id: str, parent_id: str | None, role: str, content: str, state: str = "complete") -> MessageRecord:
    return MessageRecord(new_id(), chat_id, parent_id, role, content, state, 1.0)


async def conversation(chats: Chats, *texts: str) -> tuple[str, list[MessageRecord]]:
    """A chat with these texts, from the user and the assistant in turn."""
    chat = await chats.create()
    made: list[MessageRecord] = []
    for number, text in enumerate(texts):
        parent = made[-1].id if made else None
        made.append(message(chat.id, parent, ("user", "assistant")[number % 2], text))
    if made:
        await chats.add(made, {"title": title_of(texts[0])})
    return chat.id, made


def test_a_chat_gives_back_its_tree_and_shows_the_last_message(tmp_path: Path) -> None:
    async def run(chats: Chats) -> None:
        chat_id, made = await conversation(chats, "What is a jackdaw?", "A small crow.")
        sibling = message(chat_id, None, "user", "What is a rook?")
        await chats.add([sibling], {})

        chat, messages = await chats.get(chat_id)

        assert [item.content for item in messages] == ["What is a jackdaw?", "A small crow.", "What is a rook?"]
        assert chat.head_id == sibling.id
        assert branch(messages, made[1].id) == messages[:2]
        assert branch(messages, sibling.id) == messages[2:]

    with_chats(tmp_path / "c.db", run)


def test_the_head_must_be_a_message_of_the_chat(tmp_path: Path) -> None:
    async def run(chats: Chats) -> None:
        one, made = await conversation(chats, "one", "1")
        two, _ = await conversation(chats, "two")
        await chats.change(one, {"head_id": made[0].id, "pinned": True, "parameters": {"top_k": 3}})
        with pytest.raises(BadRequest):
            await chats.change(two, {"head_id": made[0].id, "title": "never"})

        chat, _ = await chats.get(one)
        assert (chat.head_id, chat.pinned, chat.parameters) == (made[0].id, True, {"top_k": 3})
        assert (await chats.get(two))[0].title == "two"

    with_chats(tmp_path / "c.db", run)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("jackdaw", {"birds"}),
        ("jack", {"birds"}),
        ("NESTS chimneys", {"birds"}),
        ("jackdaw bread", set()),
        ("brea", {"baking"}),
        ("creme", {"baking"}),
        ("crow's", {"birds"}),
        ('"unbalanced AND (NEAR', set()),
        ("***", set()),
        ("", {"birds", "baking"}),
    ],
)
def test_search_finds_words_and_their_beginnings_in_titles_and_messages(
    tmp_path: Path, query: str, found: set[str]
) -> None:
    async def run(chats: Chats) -> None:
        birds, _ = await conversation(chats, "Tell me about birds", "The jackdaw, a crow's cousin, nests in chimneys.")
        baking, _ = await conversation(chats, "Bread, please", "With crème fraîche.")
        names = {birds: "birds", baking: "baking"}
        assert {names[chat.id] for chat in await chats.find(query)} == found

    with_chats(tmp_path / "c.db", run)


def test_a_hit_in_a_message_has_a_snippet_and_one_in_the_title_has_none(tmp_path: Path) -> None:
    async def run(chats: Chats) -> None:
        await conversation(chats, "Birds", "word " * 50 + "the jackdaw nests " + "word " * 50)
        hit = (await chats.find("jackdaw"))[0]
        assert "the jackdaw nests" in hit.snippet
        assert len(hit.snippet) < 200
        chat = await chats.create(title="Only a title")
        assert [(item.id, item.snippet) for item in await chats.find("title")] == [(chat.id, "")]

    with_chats(tmp_path / "c.db", run)


def test_a_streaming_answer_is_searched_once_it_has_ended(tmp_path: Path) -> None:
    async def run(chats: Chats) -> None:
        chat_id, made = await conversation(chats, "Question")
        answer = message(chat_id, made[0].id, "assistant", "", "streaming")
        await chats.add([answer], {})
        await chats.save_answer(replace(answer, content="partial marmalade"))
        assert await chats.find("marmalade") == []
        await chats.save_answer(replace(answer, content="whole marmalade jar", state="complete"))
        assert [chat.id for chat in await chats.find("marmalade jar")] == [chat_id]

    with_chats(tmp_path / "c.db", run)


def test_a_deleted_chat_is_gone_until_it_is_restored(tmp_path: Path) -> None:
    async def run(chats: Chats) -> None:
        chat_id, _ = await conversation(chats, "secret plan", "agreed")
        await chats.mark_deleted(chat_id)
        assert await chats.find() == []
        assert await chats.find("plan") == []
        with pytest.raises(NotFound):
            await chats.get(chat_id)
        await chats.restore(chat_id)
        assert [chat.id for chat in await chats.find("plan")] == [chat_id]
        with pytest.raises(NotFound):
            await chats.restore("never")

    with_chats(tmp_path / "c.db", run)


def test_the_next_start_removes_deleted_chats_and_ends_streaming_answers(tmp_path: Path) -> None:
    kept: list[str] = []

    async def before(chats: Chats) -> None:
        gone, _ = await conversation(chats, "to be forgotten", "quite")
        await chats.mark_deleted(gone)
        chat_id, made = await conversation(chats, "Question")
        await chats.add([message(chat_id, made[0].id, "assistant", "half of an ans", "streaming")], {})
        kept.append(chat_id)

    async def after(chats: Chats) -> None:
        assert await chats.recover() == 1
        assert [chat.id for chat in await chats.find()] == kept
        assert await chats.find("forgotten") == []
        _, messages = await chats.get(kept[0])
        assert (messages[-1].content, messages[-1].state) == ("half of an ans", "interrupted")
        assert messages[-1].error
        assert len(await chats.find("half")) == 1
        assert await chats.recover() == 0

    with_chats(tmp_path / "c.db", before)
    with_chats(tmp_path / "c.db", after)


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("What is a jackdaw?", "What is a jackdaw?"),
        ("\n\n  ## Plan for today  \nmore", "Plan for today"),
        ("```\ncode\n```", "code"),
        ("word " * 30, "word word word word word word word word word word word…"),
        ("x" * 100, "x" * 59 + "…"),
        ("!!!", ""),
    ],
)
def test_the_title_is_the_first_line_with_words(content: str, title: str) -> None:
    assert title_of(content) == title
    assert len(title_of(content)) <= 60


def test_what_is_typed_is_never_fts_syntax() -> None:
    assert match_expression('NEAR("a" b) OR c*') == '"NEAR"* "a"* "b"* "OR"* "c"*'
