"""Asking a real model: what streams, what is stored, branches, stopping, failing."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from desktop.client import AskBegin, AskDelta, AskEnd, AskState, Client, ClientError
from desktop.service.answer import usage_of
from desktop.service.ask import chat_payload, check_parent
from desktop.service.chat_rows import ChatRecord, MessageRecord
from desktop.service.errors import BadRequest
from desktop.wire import AskRequest, ChatPatch, NewChat, SamplingParameters
from tests.service.running import RunningService, answer, collect, eventually_async

SHORT = NewChat(parameters=SamplingParameters(max_tokens=16, temperature=0, seed=1))
LONG = NewChat(parameters=SamplingParameters(max_tokens=25_000, temperature=0, seed=1))


@pytest.fixture
def chat(service: RunningService) -> str:
    return service.use(lambda client: client.new_chat(SHORT)).id


def test_an_answer_streams_and_is_stored_as_it_was_streamed(service: RunningService, chat: str) -> None:
    async def run(client: Client) -> None:
        events = await collect(client, chat, AskRequest(content="What is a jackdaw?\nTell me."))

        begin, *middle, end = events
        assert isinstance(begin, AskBegin)
        assert begin.user is not None
        assert (begin.user.content, begin.user.state) == ("What is a jackdaw?\nTell me.", "complete")
        assert (begin.answer.state, begin.answer.parent_id) == ("streaming", begin.user.id)
        assert isinstance(end, AskEnd)
        assert all(isinstance(event, AskState | AskDelta) for event in middle)
        text = "".join(event.content for event in middle if isinstance(event, AskDelta))
        assert text
        assert (end.message.content, end.message.state, end.message.error) == (text, "complete", "")
        usage = end.message.usage
        assert usage is not None
        assert (usage.completion_tokens, usage.finish_reason) == (16, "length")
        assert usage.prompt_tokens > 10
        assert usage.tokens_per_s is not None
        assert usage.first_token_ms is not None
        assert 0 < usage.first_token_ms < 60_000

        stored = await client.chat(chat)
        assert stored.messages == [begin.user, end.message]
        assert stored.head_id == end.message.id
        assert stored.title == "What is a jackdaw?"
        assert stored.model == end.message.model != ""
        hit = (await client.chats("jackdaw tell"))[0]
        assert (hit.id, "jackdaw" in hit.snippet) == (chat, True)

    service.use(run)


def test_answering_again_and_editing_make_branches_and_keep_everything(service: RunningService, chat: str) -> None:
    async def run(client: Client) -> None:
        first = await answer(client, chat, "one")
        second = await answer(client, chat, "two", first.id)
        question = first.parent_id
        again = (await collect(client, chat, AskRequest(parent_id=question)))[-1]
        assert isinstance(again, AskEnd)
        edited = await answer(client, chat, "one, but better")

        stored = await client.chat(chat)
        by_id = {message.id: message for message in stored.messages}
        assert by_id[first.id].parent_id == again.message.parent_id == question
        assert by_id[edited.parent_id or ""].parent_id is None
        assert by_id[second.id].content == second.content
        assert stored.head_id == edited.id
        back = await client.patch_chat(chat, ChatPatch(head_id=second.id))
        assert back.head_id == second.id

    service.use(run)


def test_stop_ends_the_answer_and_keeps_what_was_written(service: RunningService) -> None:
    async def run(client: Client) -> None:
        chat = await client.new_chat(LONG)
        heard = []
        async for event in client.ask(chat.id, AskRequest(content="write a lot")):
            heard.append(event)
            if isinstance(event, AskDelta) and sum(isinstance(item, AskDelta) for item in heard) == 1:
                await client.stop_answer(chat.id)
        end = heard[-1]
        assert isinstance(end, AskEnd)
        assert end.message.state == "stopped"
        assert end.message.content == "".join(event.content for event in heard if isinstance(event, AskDelta)) != ""
        assert (await client.chat(chat.id)).messages[-1] == end.message

    service.use(run)


def test_a_reader_who_leaves_stops_the_answer_and_frees_the_slot(service: RunningService) -> None:
    async def run(client: Client) -> None:
        chat = await client.new_chat(LONG)
        async with contextlib.aclosing(client.ask(chat.id, AskRequest(content="write a lot"))) as events:
            async for event in events:
                if isinstance(event, AskDelta):
                    break

        async def stopped() -> bool:
            return (await client.chat(chat.id)).messages[-1].state == "stopped"

        async def free() -> bool:
            return (await client.models())[0].busy_slots == 0

        await eventually_async(stopped, 3)
        await eventually_async(free, 3)

    service.use(run)


def test_a_chat_answers_one_question_at_a_time(service: RunningService) -> None:
    async def run(client: Client) -> None:
        chat = await client.new_chat(LONG)
        async with contextlib.aclosing(client.ask(chat.id, AskRequest(content="first"))) as events:
            async for event in events:
                if isinstance(event, AskDelta):
                    break
            with pytest.raises(ClientError) as error:
                await collect(client, chat.id, AskRequest(content="second"))
            assert (error.value.kind, error.value.status) == ("chat_busy", 409)
        assert [message.content for message in (await client.chat(chat.id)).messages][:1] == ["first"]

    service.use(run)


def test_a_question_that_does_not_fit_is_kept_and_answered_with_the_numbers(service: RunningService, chat: str) -> None:
    async def run(client: Client) -> None:
        failed = await answer(client, chat, "word " * 200_000)
        assert failed.state == "failed"
        model = await client.model(failed.model)
        assert str(model.allocated_context) in failed.error
        assert failed.hint
        assert len((await client.chat(chat)).messages[0].content) == 1_000_000
        again = await answer(client, chat, "short")
        assert again.state == "complete"

    service.use(run)


def test_an_unknown_model_fails_the_answer_and_keeps_the_question(service: RunningService, chat: str) -> None:
    async def run(client: Client) -> None:
        events = await collect(client, chat, AskRequest(content="anybody there?", model="no-such-model"))
        end = events[-1]
        assert isinstance(end, AskEnd)
        assert (end.message.state, "no-such-model" in end.message.error) == ("failed", True)
        assert (await client.chat(chat)).messages[0].content == "anybody there?"

    service.use(run)


def test_deleting_a_chat_ends_its_answer_first(service: RunningService) -> None:
    async def run(client: Client) -> None:
        chat = await client.new_chat(LONG)
        heard = []
        async for event in client.ask(chat.id, AskRequest(content="write a lot")):
            heard.append(event)
            if isinstance(event, AskDelta) and sum(isinstance(item, AskDelta) for item in heard) == 1:
                await client.delete_chat(chat.id)
        end = heard[-1]
        assert isinstance(end, AskEnd)
        assert end.message.state == "stopped"

    service.use(run)


def test_five_chats_are_answered_at_the_same_time(service: RunningService) -> None:
    async def run(client: Client) -> None:
        chats = [await client.new_chat(SHORT) for _ in range(5)]
        answers = await asyncio.gather(*(answer(client, chat.id, "hello") for chat in chats))
        assert [message.state for message in answers] == ["complete"] * 5
        assert len({message.content for message in answers}) == 1

    service.use(run)


def record(message_id: str, role: str, content: str = "x") -> MessageRecord:
    return MessageRecord(message_id, "c", None, role, content, "complete", 1.0)


def test_a_chat_sends_the_adapters_it_wants() -> None:
    adapters = [{"id": "poems", "scale": 0.5}]
    chat = ChatRecord("c", "", False, "m", "", {"adapters": adapters}, None, 1, 1)
    assert chat_payload(chat, [record("1", "user", "Hello")]) == {
        "messages": [{"role": "user", "content": "Hello"}],
        "lora": adapters,
    }
    assert SamplingParameters.model_validate({"adapters": adapters}).model_dump(exclude_none=True) == {
        "adapters": adapters
    }


def test_what_is_sent_is_the_branch_without_reasoning_and_empty_answers() -> None:
    chat = ChatRecord("c", "", False, "m", "Be brief.", {"temperature": 0.5, "top_k": None}, None, 1, 1)
    history = [
        record("1", "user", "Hello"),
        MessageRecord("2", "c", "1", "assistant", "Hi", "complete", 1.0, reasoning="They greet."),
        record("3", "user", "More"),
        MessageRecord("4", "c", "3", "assistant", "", "failed", 1.0, error="out of memory"),
        record("5", "user", "Again"),
    ]
    assert chat_payload(chat, history, "Draft") == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": "More"},
            {"role": "user", "content": "Again"},
            {"role": "user", "content": "Draft"},
        ],
        "temperature": 0.5,
    }


@pytest.mark.parametrize(
    "request_",
    [
        AskRequest(content="x", parent_id="user"),
        AskRequest(content="x", parent_id="nobody"),
        AskRequest(content="  \n"),
        AskRequest(parent_id="assistant"),
        AskRequest(),
    ],
)
def test_questions_stand_below_answers_and_answers_below_questions(request_: AskRequest) -> None:
    with pytest.raises(BadRequest):
        check_parent([record("user", "user"), record("assistant", "assistant")], request_)


def test_usage_is_read_from_what_llama_server_sends() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
    timings = {"cache_n": 6, "prompt_per_second": 100.0, "predicted_per_second": 20.0}
    assert usage_of(usage, timings) == {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "cached_tokens": 6,
        "tokens_per_s": 20.0,
        "prompt_tokens_per_s": 100.0,
    }
    assert usage_of(None, None) == {}
