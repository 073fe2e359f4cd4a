"""The middle of the Chat page: header, notice, transcript and composer of the conversation in view."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, SignalInstance
from PySide6.QtWidgets import QSizePolicy, QStackedWidget, QWidget

from desktop.qt.branches import last_of
from desktop.qt.bridge import Bridge, Failure, Link
from desktop.qt.chat_header import ChatHeader
from desktop.qt.components.notice import Level, Notice
from desktop.qt.composer import Composer
from desktop.qt.context_gauge import ContextGauge
from desktop.qt.conversation import Conversation
from desktop.qt.empty_chat import EmptyChat
from desktop.qt.files.asking import AskingFiles
from desktop.qt.files.known import KnownFiles
from desktop.qt.find_bar import FindBar
from desktop.qt.links import ask_to_open
from desktop.qt.model_words import READ, title_of
from desktop.qt.store import Store
from desktop.qt.surface import Pane, column, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import READING
from desktop.qt.transcript.view import TranscriptView
from desktop.qt.transcript_rows import TranscriptRows

if TYPE_CHECKING:
    from desktop.client import AskState
    from desktop.wire import Message, Model


COMPOSER_SIDE = 29


class ChatColumn(Pane):
    """Shows one conversation at a time; `show_chat` replaces it. An answer of another chat goes on unseen."""

    model_asked = Signal()
    gave_up = Signal()
    answer_changed = Signal()

    def __init__(self, theme: Theme, bridge: Bridge, store: Store, known_files: KnownFiles) -> None:
        super().__init__(theme, "bg_surface")
        self.setAccessibleName("Chat")
        self._bridge = bridge
        self._store = store
        self.conversation = Conversation(bridge)
        self.header = ChatHeader(theme)
        self.notice = Notice(theme, "info", "", closable=True)
        self.transcript = TranscriptView(theme)
        self.rows = TranscriptRows(self.transcript, self._model_title)
        self.empty = EmptyChat(theme)
        self.composer = Composer(theme)
        self.gauge = ContextGauge(bridge, self)
        self.asking = AskingFiles(theme, known_files, self.composer)
        self.find_bar = FindBar(theme, self.transcript)
        self._told_waiting = False
        self._stack = QStackedWidget()
        # What stands in the middle gives way: neither it nor the first-run page may push the composer out of view.
        self._stack.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self._lay_out()
        self._connect()
        self._follow()
        self._show_state()

    @property
    def model(self) -> Model | None:
        """The model that answers next in this chat, None when it is not in the library or none is chosen."""
        return self._store.models.get(self.conversation.model)

    @property
    def answer(self) -> Message | None:
        """The last answer of the branch in view."""
        return last_of(self.conversation.branch(), "assistant")

    def show_chat(self, conversation: Conversation) -> None:
        """Show this conversation; the draft of the last one is kept with it."""
        if conversation is self.conversation:
            return
        self._unfollow()
        self.conversation.draft = self.composer.text
        self.conversation = conversation
        self.notice.hide()
        self._follow()
        self.composer.set_text(conversation.draft)
        self.composer.set_editing(conversation.editing is not None)
        self.composer.set_busy(conversation.busy)
        self.composer.say("")
        if conversation.busy and conversation.answer_state is not None:
            self._waiting(conversation.answer_state)
        self._show_messages()
        if conversation.chat_id and conversation.chat is None:
            conversation.open()
        self._chat_changed()
        self.gauge.follow(conversation, self.composer.text)

    def refresh_model(self) -> None:
        """The store knows something new about models."""
        model = self.model
        missing = self.conversation.model if model is None and self._store.models_known else ""
        self.header.show_model(model, missing)
        self.gauge.set_allocated(model.allocated_context if model else None)
        if self.rows.titles_changed():
            self._show_messages()
        self._show_state()
        self._refresh_blocked()

    def edit_message(self, message_id: str) -> None:
        """Take a message of the user back into the composer, to be sent as a branch beside it."""
        message = next((s.message for s in self.conversation.branch() if s.message.id == message_id), None)
        if message is None or message.role != "user" or self.conversation.busy:
            return
        self.conversation.editing = message.id
        self.composer.set_text(message.content)
        self.composer.set_editing(True)
        self.composer.focus()

    def edit_last(self) -> None:
        message = last_of(self.conversation.branch(), "user")
        if message is not None:
            self.edit_message(message.id)

    def cancel_edit(self) -> None:
        self.conversation.editing = None
        self.composer.set_editing(False)
        self.composer.set_text("")

    def say(self, failure: Failure, *, action: str = "") -> None:
        """An error where it happened."""
        self._notify("error", failure, action)

    # -- following the conversation ----------------------------------------------------------------------------------

    def _signals(self) -> tuple[tuple[SignalInstance, Callable[..., None]], ...]:
        chat = self.conversation
        return (
            (chat.opened, self._opened),
            (chat.began, self._began),
            (chat.delta, self._delta),
            (chat.sourced, self._sourced),
            (chat.waiting, self._waiting),
            (chat.ended, self._ended),
            (chat.failed, self._failed),
            (chat.busy_changed, self._busy_changed),
            (chat.changed, self._chat_changed),
        )

    def _follow(self) -> None:
        for signal, slot in self._signals():
            signal.connect(slot)

    def _unfollow(self) -> None:
        for signal, slot in self._signals():
            signal.disconnect(slot)

    def _show_messages(self) -> None:
        self.rows.show_conversation(self.conversation)
        self._show_state()
        self.answer_changed.emit()

    def _opened(self) -> None:
        self._show_messages()
        self.gauge.refresh()

    def _began(self, user: Message | None, answer: Message) -> None:
        self.notice.hide()
        self.rows.begin(self.conversation, user, answer)
        self.composer.set_editing(False)
        self._show_state()
        self.answer_changed.emit()

    def _sourced(self, answer: Message) -> None:
        self.rows.give_sources(answer)
        self.answer_changed.emit()

    def _delta(self, content: str, reasoning: str) -> None:
        if self._told_waiting:
            self._told_waiting = False
            self.composer.say("")
        if self.conversation.answer is not None:
            self.rows.feed(self.conversation.answer.id, content, reasoning)

    def _show_speed(self) -> None:
        status, answer = self._store.status, self.conversation.answer
        if status is not None and answer is not None:
            self.transcript.set_speed(answer.id, status.tokens_per_s)

    def _waiting(self, state: AskState) -> None:
        words = {
            "searching": "Searching the files",
            "loading": "Loading the model",
            "queued": "Waiting for a free slot",
            "prompt": "Reading the conversation",
        }
        share = f" {state.fraction:.0%}" if state.fraction is not None and state.fraction < READ else ""
        text = state.message or f"{words[state.state]}{share}"
        self.composer.say(f"{text}. Esc gives up.")
        self._told_waiting = True

    def _ended(self, answer: Message) -> None:
        self.composer.say("")
        self.rows.finish(self.conversation, answer)
        self.asking.answer_ended()
        self.gauge.refresh()
        self.answer_changed.emit()

    def _failed(self, failure: Failure, draft: str) -> None:
        self.composer.say("")
        if draft and not self.composer.text:
            self.composer.set_text(draft)
        self.say(failure, action="" if draft or not self.conversation.chat_id else "Try again")
        self._show_state()

    def _busy_changed(self, busy: bool) -> None:
        self.composer.set_busy(busy)
        if not busy:
            self.composer.say("")
        self._refresh_blocked()

    def _chat_changed(self) -> None:
        chat = self.conversation
        self.header.show_title(chat.title, can_rename=bool(chat.chat_id))
        self.asking.show_chat(chat)
        self.refresh_model()

    # -- states ------------------------------------------------------------------------------------------------------

    def _show_state(self) -> None:
        chat = self.conversation
        if chat.messages:
            self._stack.setCurrentWidget(self.transcript)
            return
        self._stack.setCurrentWidget(self._empty_page)
        if not self._store.models_known and self._bridge.link.phase in ("failed", "stopped"):
            self.empty.show_state("unreachable", "Why, and what can be done, stands above.")
        elif (chat.chat_id and chat.chat is None) or not self._store.models_known:
            self.empty.show_state("loading", self._waits_for())
        elif not self._store.chat_models():
            self.empty.show_state("no_model")
        else:
            model = self.model
            note = f"{title_of(model)} answers, on this computer." if model else "Choose a model above to begin."
            self.empty.show_state("ready", note)

    def _waits_for(self) -> str:
        if self._bridge.link.phase != "online":
            return "Jackdaw's service is starting. The first start proves the engine, which can take a minute."
        return "Reading the conversation."

    def _refresh_blocked(self) -> None:
        link: Link = self._bridge.link
        if link.phase == "stopped":
            self.composer.set_blocked("The service was stopped. Start it again to send; the message stays here.")
        elif link.phase != "online":
            self.composer.set_blocked(
                "The service is not connected. It is started again by itself; the message stays here."
            )
        elif self._store.models_known and not self._store.chat_models():
            self.composer.set_blocked("There is no model yet. Drop a GGUF file into the window.")
        elif self._store.models_known and self.model is None:
            self.composer.set_blocked("Choose a model first (Ctrl+M).")
        else:
            self.composer.set_blocked("")

    def _link_changed(self, link: Link) -> None:
        self._refresh_blocked()
        self._show_state()
        if link.phase == "lost":
            again = Failure("lost", "The connection to Jackdaw's service was lost. It is made again by itself.")
            self._notify("warning", again, "Try now")
        elif link.phase == "failed" and link.failure is not None:
            self._notify("error", link.failure, "Try now")
        elif link.phase == "stopped" and link.failure is not None:
            self._notify("warning", link.failure, "Start again")
        elif link.phase == "starting":
            self.notice.hide()
        elif link.phase == "online":
            self.notice.hide()
            if self.conversation.chat_id:
                self.conversation.open()

    def _notify(self, level: Level, failure: Failure, action: str) -> None:
        output = str(failure.details.get("output", ""))
        self.notice.show_message(level, failure.message, hint=failure.hint, action=action, details=output)
        self.notice.show()

    def _notice_pressed(self) -> None:
        self.notice.hide()
        self._bridge.retry()
        if self.conversation.chat_id:
            self.conversation.open()

    # -- building ----------------------------------------------------------------------------------------------------

    def _model_title(self, model_id: str) -> str:
        model = self._store.models.get(model_id)
        return title_of(model) if model is not None else model_id

    def _send(self, text: str) -> None:
        self.composer.set_editing(False)
        self.conversation.send(text)

    def _connect(self) -> None:
        composer, transcript = self.composer, self.transcript
        composer.send_asked.connect(self._send)
        composer.stop_asked.connect(self._stop)
        composer.edit_last_asked.connect(self.edit_last)
        composer.edit_cancelled.connect(self.cancel_edit)
        composer.draft_changed.connect(self.gauge.draft_changed)
        self.gauge.changed.connect(composer.set_room)
        self.gauge.changed.connect(lambda _room: self.answer_changed.emit())
        transcript.regenerate_requested.connect(self._regenerate)
        transcript.edit_requested.connect(self.edit_message)
        transcript.branch_requested.connect(self._branch)
        transcript.link_clicked.connect(lambda url: ask_to_open(self.theme, url, self))
        self.find_bar.closed.connect(composer.focus)
        self.empty.give_up_asked.connect(self.gave_up)
        self._store.status_changed.connect(self._show_speed)
        self.header.model_asked.connect(self.model_asked)
        self.header.renamed.connect(lambda title: self.conversation.patch({"title": title}))
        self.notice.action_clicked.connect(self._notice_pressed)
        self._store.models_changed.connect(self.refresh_model)
        self._store.model_changed.connect(lambda _id: self.refresh_model())
        self._bridge.link_changed.connect(self._link_changed)

    def _stop(self) -> None:
        self.conversation.stop()

    def _regenerate(self, message_id: str) -> None:
        self.conversation.regenerate(message_id)

    def _branch(self, message_id: str, delta: int) -> None:
        if self.conversation.choose_branch(message_id, delta):
            self._show_messages()
            self.gauge.refresh()

    def _lay_out(self) -> None:
        self._stack.addWidget(self.transcript)
        self._empty_page = self._centred(self.empty)
        self._stack.addWidget(self._empty_page)
        self._stack.setCurrentIndex(1)
        self.notice.hide()
        layout = column(self)
        head = column(gap=8)  # a gap is only left beside what is shown
        head.addWidget(self.header)
        notice = row(margins=(16, 0, 16, 0))
        notice.addWidget(self.notice)
        head.addLayout(notice)
        layout.addLayout(head)
        layout.addWidget(self.find_bar)
        layout.addWidget(self._stack, 1)
        # As far from both sides as the text above, which leaves room for its scroll bar.
        foot = row(margins=(COMPOSER_SIDE, 0, COMPOSER_SIDE, 10))
        foot.addStretch(0)
        foot.addWidget(self.composer, 1)
        foot.addStretch(0)
        self.composer.setMaximumWidth(self.theme.px(READING))
        self.theme.changed.connect(lambda: self.composer.setMaximumWidth(self.theme.px(READING)))
        layout.addLayout(foot)

    def _centred(self, widget: QWidget) -> QWidget:
        holder = QWidget()
        layout = row(holder)
        layout.addStretch(1)
        layout.addWidget(widget, 100)
        layout.addStretch(1)
        widget.setMaximumWidth(self.theme.px(READING))
        return holder
