"""Asking in a chat: from a stored question to a stored answer, whatever happens in between.

The question is durable before the model is touched. An answer runs in its own task, at most one per chat; it ends
complete, stopped (by the user or a reader that left), interrupted (by the end of the service) or failed (and says why).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from desktop.service.answer import Answer
from desktop.service.chat_rows import ChatRecord, MessageRecord
from desktop.service.chats import Chats, branch, new_id, title_of
from desktop.service.errors import BadRequest, Conflict, NotAvailable
from desktop.service.files.chat_files import ChatFiles, chat_messages
from desktop.service.files.retrieval import Retrieved
from desktop.service.speed import Speed
from desktop.wire import AskRequest, ContextCount, MessageState
from engine.adapters import FIELD as LORA
from engine.context import check_fit, count_chat_tokens
from engine.errors import EngineStopped
from engine.llama_server import LlamaServer
from engine.scheduler import Scheduler
from engine.types import LoadedModel
from engine.upstream import ChatDelta
from models.library import Library
from rag.answer.prompt import NOT_IN_FILES

STREAM_IDLE_S = 300.0  # progress with the prompt counts as a sign of life
BYTES_PER_TOKEN = 4  # of English text in common vocabularies; used only while the model is not loaded

ChatChanged = Callable[[str, str], None]  # what happened, and to which chat
Learn = Callable[[str, Mapping[str, Any]], Awaitable[None]]  # model id and usage of an answer that is complete


class Asking:
    """Runs the answers of all chats."""

    def __init__(
        self,
        *,
        chats: Chats,
        library: Library,
        scheduler: Scheduler,
        default_model: Callable[[], str],
        speed: Speed,
        on_change: ChatChanged,
        stream_idle_s: float = STREAM_IDLE_S,
        learn: Learn | None = None,
        files: ChatFiles | None = None,
    ) -> None:
        self._files = files
        self._chats = chats
        self._library = library
        self._scheduler = scheduler
        self._default_model = default_model
        self._speed = speed
        self._on_change = on_change
        self._stream_idle_s = stream_idle_s
        self._learn = learn
        self._noting: set[asyncio.Future[None]] = set()
        self._running: dict[str, _Running] = {}
        self._closed = False

    async def ask(self, chat_id: str, request: AskRequest) -> Answer:
        """Store the question and start the answer. Raises NotFound, BadRequest, or Conflict while one is running."""
        if self._closed:
            raise NotAvailable("stopping", "The service is stopping.", hint="Ask again once it has started.")
        if chat_id in self._running:
            raise Conflict(
                "chat_busy", "This chat is writing an answer already.", hint="Wait for it, or stop it first."
            )
        running = self._running[chat_id] = _Running()
        try:
            answer, history = await self._store_question(chat_id, request)
        except BaseException:
            del self._running[chat_id]
            raise
        running.answer = answer
        running.task = asyncio.create_task(self._run(running, answer, history), name=f"answer {answer.record.id}")
        if self._closed:
            running.stop("interrupted")  # the service began to stop while the question was being stored
        self._on_change("answering", chat_id)
        return answer

    async def stop(self, chat_id: str, how: MessageState = "stopped") -> bool:
        """End the running answer of a chat and wait until it is saved; False when there was none."""
        running = self._running.get(chat_id)
        if running is None or running.task is None:
            return False
        running.stop(how)
        await asyncio.wait([running.task])
        return True

    def leave(self, chat_id: str, answer: Answer) -> None:
        """The reader of an answer is gone: stop it, without waiting."""
        running = self._running.get(chat_id)
        if running is not None and running.answer is answer:
            running.stop("stopped")

    async def close(self) -> None:
        """Interrupt all answers, wait until they are saved, and take no more questions."""
        self._closed = True
        await asyncio.gather(*(self.stop(chat_id, "interrupted") for chat_id in tuple(self._running)))
        await asyncio.gather(*self._noting)

    def is_running(self, chat_id: str) -> bool:
        return chat_id in self._running

    async def count(self, chat_id: str, draft: str, *parent_id: str | None) -> ContextCount:
        """How many tokens the shown branch with `draft` would send; exact while the model is loaded.

        With `parent_id` the branch that ends there counts instead, none of it for None.
        """
        chat, messages = await self._chats.get(chat_id)
        (leaf_id,) = parent_id or (chat.head_id,)
        payload = chat_payload(chat, branch(messages, leaf_id), draft)
        payload.pop(LORA, None)  # adapters change no count
        model_id = await self._choose_model(chat, "")
        if self._scheduler.state(model_id).state != "ready":
            estimate = sum(len(message["content"].encode()) for message in payload["messages"]) // BYTES_PER_TOKEN
            return ContextCount(prompt_tokens=estimate, allocated_context=None, exact=False)
        async with self._scheduler.hold(model_id) as server:
            tokens = await count_chat_tokens(server, payload) if payload["messages"] else 0
            # passages take what the messages leave: nobody knows how much before they are found
            exact = self._files is None or not await self._files.asks_files(chat)
            return ContextCount(prompt_tokens=tokens, allocated_context=server.allocated_context, exact=exact)

    async def _store_question(
        self, chat_id: str, request: AskRequest
    ) -> tuple[Answer, tuple[ChatRecord, list[MessageRecord]]]:
        chat, messages = await self._chats.get(chat_id)
        check_parent(messages, request)
        model_id = await self._choose_model(chat, request.model)
        now = time.time()
        user = None
        if request.content is not None:
            user = MessageRecord(new_id(), chat_id, request.parent_id, "user", request.content, "complete", now)
        parent_id = user.id if user else request.parent_id
        record = MessageRecord(new_id(), chat_id, parent_id, "assistant", "", "streaming", now, model=model_id)
        changes: dict[str, Any] = {"model": model_id} if model_id else {}
        if not chat.title and user is not None:
            changes["title"] = title_of(user.content)
        await self._chats.add([user, record] if user else [record], changes)
        history = branch([*messages, *([user] if user else [])], parent_id)
        return Answer(user, record, self._chats), (chat, history)

    async def _choose_model(self, chat: ChatRecord, wanted: str) -> str:
        """The model asked for, the chat's, the default, the last used, the only one; "" when none of these."""
        return wanted or chat.model or await self.usual_model()

    async def usual_model(self) -> str:
        """The default, the last used, the only one; "" when none of these."""
        models = [model.id for model in await self._library.list() if model.kind == "chat"]
        candidates = (self._default_model(), await self._chats.last_model(), *(models if len(models) == 1 else ()))
        return next((model_id for model_id in candidates if model_id in models), "")

    async def _run(self, running: _Running, answer: Answer, history: tuple[ChatRecord, list[MessageRecord]]) -> None:
        saver = asyncio.create_task(answer.save_each_second())
        state: MessageState = "complete"
        failure: BaseException | None = None
        try:
            running.begin()
            await self._generate(answer, *history)
        except asyncio.CancelledError:
            state = running.how  # only stop() cancels this task
        except Exception as error:  # the edge of the task: every failure becomes the answer's own
            state, failure = "failed", error
        saver.cancel()
        await asyncio.gather(saver, return_exceptions=True)
        try:
            await answer.end(state, failure)
        finally:
            del self._running[answer.record.chat_id]
            self._note_speed(state, answer.record)
            self._on_change("answered", answer.record.chat_id)

    def _note_speed(self, state: MessageState, record: MessageRecord) -> None:
        """Beside everything else: the next question to this chat must not wait for it."""
        if state == "complete" and self._learn is not None and record.usage and not self._closed:
            task = asyncio.ensure_future(self._learn(record.model, record.usage))
            self._noting.add(task)
            task.add_done_callback(self._noting.discard)

    async def _generate(self, answer: Answer, chat: ChatRecord, history: list[MessageRecord]) -> None:
        model_id = answer.record.model
        if not model_id:
            raise NotAvailable(
                "no_model",
                "No model is chosen for this chat.",
                hint="Choose one, drop a GGUF file on the window, or run: jackdaw models import FILE.gguf",
            )
        retrieved = await self._retrieve(answer, chat, history)
        if self._files is not None and retrieved is not None and retrieved.is_nothing:
            answer.give(await self._files.retrieval.nothing(retrieved))
            answer.add(ChatDelta(content=NOT_IN_FILES, finish_reason="stop"))
            return
        answer.wait_for("queued")
        now = asyncio.get_running_loop().time
        async with self._scheduler.hold(model_id, on_state=lambda model: tell_loading(answer, model)) as server:
            payload = server.with_adapters(chat_payload(chat, history))
            if retrieved is not None:
                payload = await self._with_files(answer, retrieved, server, (chat, history), payload)
            heard_at = now()
            try:
                async with asyncio.timeout(self._stream_idle_s) as idle:
                    await check_fit(server, "chat", payload)
                    answer.wait_for("prompt")
                    answer.begin_generation()
                    async for delta in server.upstream.chat_events({**payload, "return_progress": True}):
                        heard_at = now()
                        idle.reschedule(heard_at + self._stream_idle_s)
                        self._take(answer, delta)
            except EngineStopped as error:
                raise await server.why() from error
            except TimeoutError as error:
                raise await server.silent(now() - heard_at) from error

    async def _retrieve(self, answer: Answer, chat: ChatRecord, history: list[MessageRecord]) -> Retrieved | None:
        if self._files is None or not await self._files.asks_files(chat):
            return None
        answer.wait_for("searching")
        return await self._files.retrieve(chat, history, lambda said: answer.wait_for("searching", None, said))

    async def _with_files(
        self,
        answer: Answer,
        retrieved: Retrieved,
        server: LlamaServer,
        asked: tuple[ChatRecord, list[MessageRecord]],
        payload: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The request with the passages that fit; the reader is told of them at once."""
        assert self._files is not None
        given = await self._files.retrieval.assemble(
            retrieved, server, payload, lambda sources: chat_messages(*asked, sources)
        )
        await given.keep()
        answer.give(given)
        return {**payload, "messages": given.messages}

    def _take(self, answer: Answer, delta: ChatDelta) -> None:
        if delta.progress:
            answer.wait_for("prompt", prompt_fraction(delta.progress))
        if delta.content or delta.reasoning:
            self._speed.add(1)
        answer.add(delta)


class _Running:
    """A chat's running answer; `task` and `answer` are None while its question is being stored."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.task: asyncio.Task[None] | None = None
        self.how: MessageState = "stopped"
        self._begun = self._stopped = False

    def begin(self) -> None:
        """First thing in the task: a stop that came before it is obeyed now."""
        self._begun = True
        if self._stopped:
            raise asyncio.CancelledError

    def stop(self, how: MessageState) -> None:
        """Once only: a second cancellation would hit the saving of what was written.

        A task that is cancelled before its first step never runs a line, so the answer would never end: hence `begin`.
        """
        if not self._stopped and self.task is not None:
            self._stopped, self.how = True, how
            if self._begun:
                self.task.cancel()


def chat_payload(chat: ChatRecord, history: Sequence[MessageRecord], draft: str = "") -> dict[str, Any]:
    """The request for llama-server: system prompt, the branch, parameters that were set.

    Reasoning is not sent back, and answers that failed before their first word are left out.
    """
    messages = [{"role": "system", "content": chat.system_prompt}] if chat.system_prompt else []
    messages += [{"role": message.role, "content": message.content} for message in history if message.content]
    messages += [{"role": "user", "content": draft}] if draft else []
    chosen = {name: value for name, value in chat.parameters.items() if value is not None}
    adapters = {LORA: chosen.pop("adapters")} if "adapters" in chosen else {}
    return {"messages": messages, **chosen, **adapters}


def check_parent(messages: Sequence[MessageRecord], request: AskRequest) -> None:
    """A question stands below an answer or at the start; an answer below a question. Raises BadRequest."""
    by_id = {message.id: message for message in messages}
    if request.parent_id is not None and request.parent_id not in by_id:
        raise BadRequest(
            "message_not_found",
            f"The chat has no message {request.parent_id!r}.",
            hint="Open the chat again: it has changed meanwhile.",
        )
    parent_role = by_id[request.parent_id].role if request.parent_id else None
    if request.content is None and parent_role != "user":
        raise BadRequest("bad_parent", "Only a message of the user can be answered again.", hint="Name the question.")
    if request.content is not None and parent_role == "user":
        raise BadRequest(
            "bad_parent",
            "A new message stands below an answer, not below another message of the user.",
            hint="Have that message answered first, or edit it.",
        )
    if request.content is not None and not request.content.strip():
        raise BadRequest("empty_message", "The message is empty.", hint="Write something first.")


def tell_loading(answer: Answer, model: LoadedModel) -> None:
    """Pass on where the scheduler is with the model."""
    if model.state == "loading":
        answer.wait_for("loading", model.fraction, f"Loading {model.model_id}")
    elif model.state == "queued":
        answer.wait_for("queued", None, f"{model.queued} waiting" if model.queued > 1 else "")


def prompt_fraction(progress: Mapping[str, Any]) -> float | None:
    """How much of the prompt is read, 0..1. Source: llama.cpp server README, `return_progress`."""
    total = progress.get("total") or 0
    return min(1.0, progress.get("processed", 0) / total) if total else None
