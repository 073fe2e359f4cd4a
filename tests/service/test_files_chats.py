"""Files in chats: collections that are asked, attachments, sources that come first and are kept without their text."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.client import AskDelta, AskEnd, AskSources, AskState, Client, ClientError
from desktop.paths import Paths
from desktop.wire import AskRequest, NewChat, SamplingParameters
from desktop.wire_files import AddRoots, FilesDoctorRequest, SearchRequest
from rag.answer.prompt import NOT_IN_FILES
from tests.service.files_rig import indexed
from tests.service.running import RunningService, collect, eventually_async, running

FACT = "The harbour of Sandvik freezes in the second week of January."
NOTE = f"# Harbours\n\n{FACT}\nIts ferry runs twice a day.\n"
SHORT = SamplingParameters(max_tokens=24)


@pytest.fixture(scope="module")
def service(
    module_home: Paths,
    engine_environ: dict[str, str],
    tiny_chat_gguf: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("harbours")
    (folder / "harbours.md").write_text(NOTE)
    (folder / "goats.md").write_text("# Goats\n\nGoats climb on roofs where grass grows.\n")
    with running(module_home, environ=engine_environ) as started:

        async def prepare(client: Client) -> None:
            await client.load_model((await client.import_model(tiny_chat_gguf)).id)
            await indexed(client, AddRoots(collection="harbours", paths=[str(folder)]))
            await client.search_files(SearchRequest(query="warm"))

        started.use(prepare)
        yield started


def test_an_answer_begins_with_its_sources_and_keeps_them(service: RunningService) -> None:
    async def run(client: Client) -> None:
        chat = await client.new_chat(NewChat(collections=["harbours"], parameters=SHORT))
        request = AskRequest(content="When does the harbour of Sandvik freeze?")
        events = await collect(client, chat.id, request)
        kinds = [type(event) for event in events]
        assert kinds.index(AskSources) < kinds.index(AskDelta)
        (sources,) = [event for event in events if isinstance(event, AskSources)]
        assert sources.sources[0].number == 1
        assert FACT in sources.sources[0].text
        assert sources.sources[0].path == "harbours.md"
        end = events[-1]
        assert isinstance(end, AskEnd)
        message = end.message
        assert message.state == "complete", message.error
        assert [source.path for source in message.sources] == [source.path for source in sources.sources]
        assert "".join(event.content for event in events if isinstance(event, AskDelta)) == message.content

        (stored,) = [one for one in (await client.chat(chat.id)).messages if one.id == message.id]
        assert FACT in stored.sources[0].text
        assert stored.why_id == sources.why_id
        why = await client.why(stored.why_id)
        assert FACT in why.prompt[-1]["content"]
        assert why.prompt[-1]["content"].endswith("Question: When does the harbour of Sandvik freeze?")
        assert why.answer == message.content
        assert why.model == message.model
        assert why.prompt_tokens == (message.usage.prompt_tokens if message.usage else None)
        assert why.allocated_context is not None
        assert why.prompt_tokens is not None
        assert why.prompt_tokens < why.allocated_context

    service.use(run)
    # Text of files is in files.db alone, from where it can be removed with proof.
    with sqlite3.connect(service.paths.database) as database:
        (kept,) = database.execute("SELECT group_concat(files) FROM messages").fetchone()
    assert "harbours.md" in kept
    assert "Sandvik freezes" not in kept


def test_a_follow_up_is_searched_as_it_is_meant(service: RunningService) -> None:
    async def run(client: Client) -> None:
        chat = await client.new_chat(NewChat(collections=["harbours"], parameters=SHORT))
        first = await collect(client, chat.id, AskRequest(content="When does the harbour of Sandvik freeze?"))
        assert isinstance(first[-1], AskEnd)
        follow = AskRequest(content="and its ferry?", parent_id=first[-1].message.id)
        events = await collect(client, chat.id, follow)
        (sources,) = [event for event in events if isinstance(event, AskSources)]
        why = await client.why(sources.why_id)
        assert why.rewritten
        assert "Sandvik" in why.query
        assert sources.sources[0].path == "harbours.md"
        assert [turn["role"] for turn in why.prompt] == ["system", "user", "assistant", "user"]

    service.use(run)


def test_nothing_relevant_is_said_without_asking_the_model(service: RunningService) -> None:
    async def run(client: Client) -> None:
        chat = await client.new_chat(NewChat(collections=["harbours"], parameters=SHORT))
        question = "zyxgorf quantum blockchain tariffs of Bolivia?"
        searched = await client.search_files(SearchRequest(query=question, collection="harbours"))
        assert (searched.relevant, "Nothing seems to be about this" in searched.note) == (False, True)
        events = await collect(client, chat.id, AskRequest(content=question))
        end = events[-1]
        assert isinstance(end, AskEnd)
        assert end.message.content == NOT_IN_FILES
        assert end.message.sources == []
        assert NOT_IN_FILES in end.message.files_note

    service.use(run)


def test_an_attached_file_is_given_whole_and_goes_with_its_chat(service: RunningService, tmp_path: Path) -> None:
    note = tmp_path / "minutes.txt"
    note.write_text("Attended: Ines, Tove.\nDecided: the roof is painted green.\n")

    async def run(client: Client) -> None:
        chat = await client.new_chat(NewChat(parameters=SHORT))
        attached = await client.attach(chat.id, [note])
        assert [file.path for file in attached.files] == [str(note)]
        assert attached.files[0].whole is None
        assert not any(one.chat_id for one in await client.collections())
        events = await collect(client, chat.id, AskRequest(content="What was decided?"))
        assert any(isinstance(event, AskState) and event.state == "searching" for event in events)
        end = events[-1]
        assert isinstance(end, AskEnd)
        assert end.message.state == "complete", end.message.error
        assert end.message.sources[0].whole
        assert end.message.sources[0].text == note.read_text().strip() or "painted green" in end.message.sources[0].text
        assert "minutes.txt was given whole." in end.message.files_note

        async def ready() -> bool:
            (file,) = (await client.chat(chat.id)).files
            return file.state == "ready"

        await eventually_async(ready, 20)
        (file,) = (await client.chat(chat.id)).files
        assert (file.whole, file.files) == (True, 1)
        counts = (await client.files_doctor(FilesDoctorRequest())).counts
        title = (await client.chat(chat.id)).title
        assert {one.chat_id: one.collection for one in counts} == {
            "": "harbours",
            chat.id: f"attached to “{title}”",
        }
        again = await client.detach(chat.id, note)
        assert again.files == []
        with pytest.raises(ClientError) as caught:
            await client.detach(chat.id, note)
        assert caught.value.kind == "not_attached"
        assert note.exists()

    service.use(run)


def test_a_file_too_long_to_be_given_whole_is_searched(service: RunningService, tmp_path: Path) -> None:
    book = tmp_path / "book.md"
    chapters = [
        f"# Chapter {number}\n\n" + f"Sheep number {number} jumps over the fence. " * 20 for number in range(40)
    ]
    book.write_text("\n\n".join([*chapters, "# Epilogue\n\nThe shepherd is called Ottokar.\n"]))

    async def run(client: Client) -> None:
        chat = await client.new_chat(NewChat(parameters=SHORT))
        await client.attach(chat.id, [book])
        events = await collect(client, chat.id, AskRequest(content="What is the shepherd called?"))
        end = events[-1]
        assert isinstance(end, AskEnd)
        assert end.message.state == "complete", end.message.error
        assert "too long to be given whole" in end.message.files_note
        assert any("Ottokar" in source.text for source in end.message.sources)
        assert not any(source.whole for source in end.message.sources)

    service.use(run)
