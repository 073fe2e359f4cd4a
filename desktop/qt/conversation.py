"""One chat as the window holds it: its tree of messages, the answer being written, what the user typed meanwhile.

A conversation outlives the page that shows it, so that an answer goes on while the user reads another chat.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QElapsedTimer, QObject, Signal

from desktop.qt.branches import Shown, last_of, shown_branch, sibling_head
from desktop.qt.bridge import Bridge, Call, Failure
from desktop.qt.files.attachments import Attachments

if TYPE_CHECKING:
    from desktop.client import AskEvent, AskState, Client
    from desktop.event_stream import AskSources
    from desktop.wire import Chat, ChatFile, ChatSummary, Message, NewChat

# The service tells everybody of a change, also whoever asked for it; so long after asking it is taken for ours.
OWN_CHANGE_MS = 2000


@dataclass(slots=True)
class ChatWishes:
    """What a chat that does not exist yet shall have: `parameters` holds only what the user set."""

    model: str = ""
    system_prompt: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    collections: list[str] = field(default_factory=list)

    def new_chat(self) -> NewChat:
        """The chat that is made with the first message or the first attached file."""
        from desktop.wire import NewChat, SamplingParameters

        return NewChat(
            model=self.model,
            system_prompt=self.system_prompt,
            parameters=SamplingParameters.model_validate(self.parameters),
            collections=self.collections,
        )


class Conversation(QObject):
    """A chat, or with an empty `chat_id` one that begins with its first message.

    `began(user, answer)`, `delta(content, reasoning)`, `waiting(AskState)`, `ended(answer)` tell how an answer comes;
    `sourced(answer)` comes before its first words, when files were asked; `failed(Failure, draft)` gives the words back
    when the service did not take them.
    """

    opened = Signal()
    created = Signal(str)
    began = Signal(object, object)
    delta = Signal(str, str)
    waiting = Signal(object)
    sourced = Signal(object)
    ended = Signal(object)
    failed = Signal(object, str)
    busy_changed = Signal(bool)
    changed = Signal()  # title, pin, model, parameters, collections, files

    def __init__(self, bridge: Bridge, chat_id: str = "", wishes: ChatWishes | None = None) -> None:
        super().__init__()
        self._bridge = bridge
        self.chat_id = chat_id
        self.wishes = wishes or ChatWishes()
        self.chat: Chat | None = None
        self.messages: list[Message] = []
        self.head_id: str | None = None
        self.answer: Message | None = None
        self.answer_state: AskState | None = None
        self.answer_text: list[str] = []
        self.answer_reasoning: list[str] = []
        self.draft = ""
        self.editing: str | None = None  # id of the user's message that is being edited
        self._asking: Call | None = None
        self._opening: Call | None = None
        self.attachments = Attachments(bridge, self)
        self._sent = ""
        self._patched = QElapsedTimer()
        self._answered_elsewhere = False

    @property
    def busy(self) -> bool:
        return self._asking is not None

    @property
    def title(self) -> str:
        return (self.chat.title if self.chat else "") or "New chat"

    @property
    def model(self) -> str:
        """The model chosen for this chat, or "" while none is."""
        return self.chat.model if self.chat else self.wishes.model

    @property
    def system_prompt(self) -> str:
        return self.chat.system_prompt if self.chat else self.wishes.system_prompt

    @property
    def parameters(self) -> dict[str, Any]:
        """Sampling parameters the user set for this chat; absent means the engine's own default."""
        return self.chat.parameters.model_dump(exclude_none=True) if self.chat else dict(self.wishes.parameters)

    @property
    def collections(self) -> list[str]:
        """Names of the collections that are asked before every answer."""
        return list(self.chat.collections if self.chat else self.wishes.collections)

    @property
    def files(self) -> list[ChatFile]:
        """Files and folders that are attached to this chat alone."""
        return list(self.chat.files) if self.chat else []

    def branch(self) -> list[Shown]:
        return shown_branch(self.messages, self.head_id)

    # -- reading -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Ask for the whole chat; `opened` or `failed` follows. While an answer runs the copy here is the newer one."""
        if not self.chat_id or self.busy or self._opening is not None:
            return

        def done(chat: Chat) -> None:
            self._opening = None
            if self.busy:
                return
            # What is in view already must not jump because it was asked for once more.
            same = self.chat is not None and chat.messages == self.messages and chat.head_id == self.head_id
            self._take(chat)
            if not same:
                self.opened.emit()

        def failed(failure: Failure) -> None:
            self._opening = None
            self.failed.emit(failure, "")

        chat_id = self.chat_id
        self._opening = self._bridge.call(lambda client: client.chat(chat_id), done, failed, owner=self)

    def heard(self, action: str) -> None:
        """The service told of a change; read the chat again unless the change was ours."""
        if action == "answering" and not self.busy:
            self._answered_elsewhere = True
        elif action == "answered" and self._answered_elsewhere:
            self._answered_elsewhere = False
            self.open()
        elif action == "changed" and (not self._patched.isValid() or self._patched.elapsed() > OWN_CHANGE_MS):
            self.open()

    def edited_place(self) -> tuple[str | None] | tuple[()]:
        """What the message being edited follows, None inside when it is the first; () when none is edited."""
        edited = next((s.message for s in self.branch() if s.message.id == self.editing), None)
        return () if edited is None else (edited.parent_id,)

    # -- asking ------------------------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Send a new message, or in place of the one being edited as a branch beside it."""
        branch = self.branch()
        last = branch[-1].message.id if branch else None
        (parent,) = self.edited_place() or (last,)
        self.editing = None
        self._ask(parent, text)

    def regenerate(self, answer_id: str | None = None) -> None:
        """Answer the same question again, as a branch beside `answer_id` or the last answer."""
        branch = self.branch()
        by_id = {shown.message.id: shown.message for shown in branch}
        answer = by_id.get(answer_id) if answer_id else last_of(branch, "assistant")
        question = by_id.get(answer.parent_id or "") if answer else last_of(branch, "user")
        if question is not None and not self.busy:
            self._ask(question.id, None)

    def stop(self) -> None:
        """End the answer; what was written stays and arrives with `ended`."""
        if self._asking is None:
            return
        if not self.chat_id:
            self._asking.cancel()
            self._end_with(None)
            return
        chat_id = self.chat_id
        self._bridge.call(lambda client: client.stop_answer(chat_id), None, lambda _failure: None, owner=self)

    def choose_branch(self, message_id: str, delta: int) -> bool:
        """Show the sibling `delta` beside a message; False at either end or while an answer is written."""
        head = sibling_head(self.messages, message_id, delta)
        if head is None or self.busy:
            return False
        self.head_id = head
        self.patch({"head_id": head})
        return True

    def _ask(self, parent_id: str | None, text: str | None) -> None:
        if self.busy:
            return
        if self.attachments.making_the_chat:
            self.attachments.then(lambda: self._ask(parent_id, text))  # a second chat must not be made
            return
        self._sent = text or ""
        chat_id, wishes = self.chat_id, self.wishes
        model = self.model

        async def work(client: Client) -> AsyncIterator[AskEvent | Chat]:
            from desktop import wire

            wanted = chat_id
            if not wanted:
                chat = await client.new_chat(wishes.new_chat())
                wanted = chat.id
                yield chat
            # Fields that are not set are not sent: an absent content means "answer again".
            request: dict[str, Any] = {"parent_id": parent_id, "model": model}
            if text is not None:
                request["content"] = text
            async for event in client.ask(wanted, wire.AskRequest(**request)):
                yield event

        self._asking = self._bridge.stream(work, self._received, self._stream_ended, owner=self)
        self.busy_changed.emit(True)

    def _received(self, items: list[AskEvent | Chat]) -> None:
        from desktop.client import AskBegin, AskDelta, AskEnd, AskState
        from desktop.event_stream import AskSources
        from desktop.wire import Chat

        content: list[str] = []
        reasoning: list[str] = []
        for item in items:
            match item:
                case AskDelta():
                    content.append(item.content)
                    reasoning.append(item.reasoning)
                case Chat():
                    self.adopt(item)
                case AskBegin():
                    self._begin(item.user, item.answer)
                case AskSources():
                    self._take_sources(item)
                case AskState():
                    self.answer_state = item
                    self.waiting.emit(item)
                case AskEnd():
                    self._flush(content, reasoning)
                    self._end_with(item.message)
        self._flush(content, reasoning)

    def _begin(self, user: Message | None, answer: Message) -> None:
        if user is not None:
            self.messages.append(user)
        self.messages.append(answer)
        self.head_id = answer.id
        self.answer = answer
        self.answer_text, self.answer_reasoning = [], []
        self._sent = ""
        self.began.emit(user, answer)

    def _take_sources(self, given: AskSources) -> None:
        if self.answer is None:
            return
        update = {"sources": given.sources, "files_note": given.note, "why_id": given.why_id}
        answer = self.answer.model_copy(update=update)
        self.answer = answer
        self.messages = [answer if old.id == answer.id else old for old in self.messages]
        self.sourced.emit(answer)

    def _flush(self, content: list[str], reasoning: list[str]) -> None:
        text, thought = "".join(content), "".join(reasoning)
        content.clear()
        reasoning.clear()
        if text or thought:
            self.answer_state = None
            self.answer_text.append(text)
            self.answer_reasoning.append(thought)
            self.delta.emit(text, thought)

    def _stream_ended(self, failure: Failure | None) -> None:
        if self._asking is None:
            return
        if failure is None:
            self._end_with(None)
            return
        draft, answer = self._sent, self.answer
        partial = None
        if answer is not None:
            # The service went away; what we saw is shown until the chat can be asked for again.
            partial = answer.model_copy(
                update={
                    "content": "".join(self.answer_text),
                    "reasoning": "".join(self.answer_reasoning),
                    "state": "interrupted",
                    "error": failure.message,
                    "hint": failure.hint,
                }
            )
        self._end_with(partial)
        if answer is None:
            self.failed.emit(failure, draft)

    def _end_with(self, message: Message | None) -> None:
        if self._asking is None:
            return
        self._asking = None
        self.answer = None
        self.answer_state = None
        if message is not None:
            self.messages = [message if old.id == message.id else old for old in self.messages]
            self.ended.emit(message)
        self.busy_changed.emit(False)

    # -- properties of the chat --------------------------------------------------------------------------------------

    def patch(self, changes: dict[str, Any]) -> None:
        """Change title, pin, model, system prompt, parameters or head; kept here until the chat exists."""
        if not self.chat_id:
            for name in ("model", "system_prompt", "parameters", "collections"):
                if name in changes:
                    setattr(self.wishes, name, changes[name])
            self.changed.emit()
            return
        chat_id = self.chat_id
        self._patched.start()
        if self.chat is not None:
            self._show_early(changes)

        async def work(client: Client) -> Chat:
            from desktop.wire import ChatPatch

            return await client.patch_chat(chat_id, ChatPatch.model_validate(changes))

        def done(chat: Chat) -> None:
            self.take_properties(chat)

        self._bridge.call(work, done, lambda failure: self.failed.emit(failure, ""), owner=self)

    def _show_early(self, changes: dict[str, Any]) -> None:
        from desktop.wire import SamplingParameters

        assert self.chat is not None
        update = {name: value for name, value in changes.items() if name != "head_id"}
        if "parameters" in update:
            update["parameters"] = SamplingParameters.model_validate(update["parameters"])
        self.chat = self.chat.model_copy(update=update)
        self.changed.emit()

    def adopt(self, chat: Chat) -> None:
        """This is the chat now, which was made for its first message or its first attached file."""
        self.chat_id = chat.id
        self._take(chat)
        self.created.emit(chat.id)

    def take_summary(self, summary: ChatSummary) -> None:
        """The list knows a newer name or pin, given by the service or by somebody else."""
        chat = self.chat
        if chat is not None and (chat.title, chat.pinned) != (summary.title, summary.pinned):
            self.chat = chat.model_copy(update={"title": summary.title, "pinned": summary.pinned})
            self.changed.emit()

    def _take(self, chat: Chat) -> None:
        self.messages = list(chat.messages)
        self.head_id = chat.head_id
        self.take_properties(chat)

    def take_properties(self, chat: Chat) -> None:
        self.chat = chat.model_copy(update={"messages": []})
        self.changed.emit()
