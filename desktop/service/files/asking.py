"""One question to files that is in no chat: whole or as events, by a model or by the best passages alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from desktop import wire_files as wire
from desktop.service.answer import IDLE_COMMENT_S, encode_event, sources_event
from desktop.service.ask import prompt_fraction
from desktop.service.errors import BadRequest, body_of
from desktop.service.files.retrieval import Given, Messages, Retrieval, Retrieved
from desktop.service.files.rows import source_row
from desktop.service.files.search import FileSearch
from engine.context import check_fit
from engine.errors import EngineStopped
from engine.llama_server import LlamaServer
from engine.scheduler import Scheduler
from engine.types import LoadedModel
from rag.answer.passages import passages_only
from rag.answer.prompt import NOT_IN_FILES, conversation
from rag.answer.types import Turn

NO_MODEL = "none"
TEMPERATURE = 0  # to quote is no matter of chance: the same passages give the same answer; chats have their own
ROLES = ("user", "assistant", "system")
_ENDED = b": that is all\n\n"


class FilesAsking:
    """Answers `POST files/ask`. `usual_model` is asked when a question names none; "" means that there is none."""

    def __init__(
        self,
        search: FileSearch,
        retrieval: Retrieval,
        scheduler: Scheduler,
        usual_model: Callable[[], Awaitable[str]],
        stream_idle_s: float,
    ) -> None:
        self._search = search
        self._usual_model = usual_model
        self._tools = _Tools(retrieval, scheduler, stream_idle_s)

    async def whole(self, request: wire.AskFiles) -> wire.FilesAnswer:
        """The answer once it is complete. Raises CollectionNotFound, BadQuery, EngineError, ModelsError."""
        one = await self._begin(request)
        async for _ in one.run():
            pass
        return one.answer()

    async def events(self, request: wire.AskFiles) -> AsyncIterator[bytes]:
        """The answer as events; what is wrong with the request itself is raised before the first."""
        one = await self._begin(request)
        return self._follow(one)

    async def _follow(self, one: _Question) -> AsyncIterator[bytes]:
        try:
            async for event in one.run():
                yield event
        except Exception as error:  # the edge: the stream has begun, so a failure is an event of it
            yield encode_event("error", body_of(error).model_dump())
        else:
            yield encode_event("end", one.answer().model_dump(mode="json"))

    async def _begin(self, request: wire.AskFiles) -> _Question:
        history = turns(request.history)
        asked = await self._search.asked(request.collection)
        model = request.model or await self._usual_model()
        retrieved = await self._tools.retrieval.retrieve(request.question, history, asked, k=request.k)
        return _Question(self._tools, retrieved, history, "" if model == NO_MODEL else model)


@dataclass(frozen=True, slots=True)
class _Tools:
    """What a question needs to be answered."""

    retrieval: Retrieval
    scheduler: Scheduler
    stream_idle_s: float


class _Question:
    """One question while it is answered."""

    def __init__(self, tools: _Tools, retrieved: Retrieved, history: Sequence[Turn], model: str) -> None:
        self._tools = tools
        self._retrieved = retrieved
        self._history = history
        self._model = model
        self._began = time.perf_counter()
        self._given: Given | None = None
        self._text = ""
        self._found = False
        self._passages_only = False

    def answer(self) -> wire.FilesAnswer:
        """What it came to; only once `run` has ended."""
        assert self._given is not None
        return wire.FilesAnswer(
            answer=self._text,
            found=self._found,
            passages_only=self._passages_only,
            model=self._model if not self._passages_only else "",
            sources=self._given.why.sources,
            support=self._given.why.support,
            why_id=self._given.why_id,
            took_ms=round((time.perf_counter() - self._began) * 1000, 3),
        )

    async def run(self) -> AsyncIterator[bytes]:
        if self._retrieved.is_nothing or not self._model:
            yield await self._without_model()
            yield encode_event("delta", {"content": self._text})
            return
        async for event in self._by_model():
            yield event

    async def _without_model(self) -> bytes:
        """The best passages; or that there are none."""
        retrieved, self._passages_only = self._retrieved, not self._model
        self._given = await self._tools.retrieval.nothing(retrieved)
        self._text = NOT_IN_FILES
        if not retrieved.is_nothing:
            found = passages_only(retrieved.found.hits, relevant=retrieved.found.relevant)
            self._text, self._found = found.text, found.found
            sources = [source_row(source, [source.number], retrieved.asked.local_only) for source in found.sources]
            self._given.why = self._given.why.model_copy(update={"sources": sources, "answer": found.text})
            self._given.note = " ".join(retrieved.notes)
            await self._given.keep()
        return sources_event(self._given)

    async def _by_model(self) -> AsyncIterator[bytes]:
        """The events as they come; those that came while the reader was slow together, and a comment in a silence."""
        news: asyncio.Queue[bytes] = asyncio.Queue()
        task = asyncio.create_task(self._write(news))
        task.add_done_callback(lambda _: news.put_nowait(_ENDED))
        try:
            ended = False
            while not ended:
                events = await _next(news)
                ended = events.endswith(_ENDED)
                yield events
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _write(self, news: asyncio.Queue[bytes]) -> None:
        def tell(state: str, fraction: float | None = None, message: str = "") -> None:
            news.put_nowait(encode_event("state", {"state": state, "fraction": fraction, "message": message}))

        def loading(model: LoadedModel) -> None:
            if model.state in ("loading", "queued"):
                tell(model.state, model.fraction)

        async with self._tools.scheduler.hold(self._model, on_state=loading) as server:
            given = self._given = await self._tools.retrieval.assemble(self._retrieved, server, {}, self._messages)
            await given.keep()
            news.put_nowait(sources_event(given))
            tell("prompt")
            await self._stream(server, given, news)

    async def _stream(self, server: LlamaServer, given: Given, news: asyncio.Queue[bytes]) -> None:
        citations, payload = given.filter(), {"messages": given.messages, "temperature": TEMPERATURE}
        prompt_tokens: int | None = None
        now = asyncio.get_running_loop().time
        heard_at = now()
        try:
            async with asyncio.timeout(self._tools.stream_idle_s) as idle:
                await check_fit(server, "chat", payload)
                async for delta in server.upstream.chat_events({**payload, "return_progress": True}):
                    heard_at = now()
                    idle.reschedule(heard_at + self._tools.stream_idle_s)
                    if delta.usage:
                        prompt_tokens = int(delta.usage.get("prompt_tokens", 0))
                    if delta.progress:
                        state = {"state": "prompt", "fraction": prompt_fraction(delta.progress), "message": ""}
                        news.put_nowait(encode_event("state", state))
                    self._say(citations.feed(delta.content), delta.reasoning, news)
        except EngineStopped as error:
            raise await server.why() from error
        except TimeoutError as error:
            raise await server.silent(now() - heard_at) from error
        self._say(citations.end(), "", news)
        self._found = await given.finish(self._text, citations.removed, prompt_tokens)

    def _say(self, content: str, reasoning: str, news: asyncio.Queue[bytes]) -> None:
        self._text += content
        said = {name: text for name, text in (("content", content), ("reasoning", reasoning)) if text}
        if said:
            news.put_nowait(encode_event("delta", said))

    def _messages(self, sources: Sequence[Any]) -> Messages:
        turns_ = conversation(self._retrieved.question, sources, history=self._history)
        return [{"role": turn.role, "content": turn.content} for turn in turns_]


async def _next(news: asyncio.Queue[bytes]) -> bytes:
    """All events that are there, after waiting for the first; a comment when none comes for a while."""
    try:
        events = [await asyncio.wait_for(news.get(), IDLE_COMMENT_S)]
    except TimeoutError:
        return b": still here\n\n"
    while not news.empty():
        events.append(news.get_nowait())
    return b"".join(events)


def turns(history: Sequence[dict[str, str]]) -> tuple[Turn, ...]:
    """Earlier turns of the request. Raises BadRequest for what is none."""
    found = []
    for turn in history:
        if set(turn) != {"role", "content"} or turn["role"] not in ROLES:
            raise BadRequest("bad_request", "Each turn of the history has a role (user, assistant) and a content.")
        found.append(Turn(turn["role"], turn["content"]))
    return tuple(found)
