"""The Chat page: list of conversations, the one in view, and the inspector beside it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QMenu, QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.chat_column import ChatColumn
from desktop.qt.components.toast import ToastHost
from desktop.qt.conversation import ChatWishes, Conversation
from desktop.qt.conversation_list import ConversationList
from desktop.qt.files.known import KnownFiles
from desktop.qt.inspector import Inspector
from desktop.qt.model_actions import ModelActions
from desktop.qt.store import Store
from desktop.qt.surface import row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Chat, ChatSummary, Message

LIST_FROM = 1100  # the list is open by itself from this width of the window on
INSPECTOR_FROM = 1280
SHORT_TITLE = 48  # characters of a title within a sentence


class ChatPage(QWidget):
    """Owns the conversations that were opened. `chat_shown(id)` when another one is in view, "" for a new one."""

    chat_shown = Signal(str)
    model_asked = Signal(QWidget)

    preview_asked = Signal(object)
    open_asked = Signal(object)
    why_asked = Signal(object)  # Message

    def __init__(
        self,
        theme: Theme,
        bridge: Bridge,
        store: Store,
        actions: ModelActions,
        toasts: ToastHost,
        *,
        known_files: KnownFiles,
    ) -> None:
        super().__init__()
        self.theme = theme
        self._bridge = bridge
        self._store = store
        self._actions = actions
        self._toasts = toasts
        self._open: dict[str, Conversation] = {}
        self._deleted: set[str] = set()
        self.last_model = ""
        self.list_wanted = True
        self.inspector_wanted = True
        self.list = ConversationList(theme, bridge, store)
        self.column = ChatColumn(theme, bridge, store, known_files)
        self.inspector = Inspector(theme, bridge)
        layout = row(self)
        layout.addWidget(self.list)
        layout.addWidget(self.column, 1)
        layout.addWidget(self.inspector)
        self._connect()
        self.new_chat()

    @property
    def conversation(self) -> Conversation:
        return self.column.conversation

    # -- which conversation ------------------------------------------------------------------------------------------

    def new_chat(self) -> None:
        """Show an empty conversation; it exists from its first message on."""
        current = self.conversation
        if not current.chat_id and not current.busy and current is self._open.get(""):
            self.column.composer.focus()
            return
        fresh = Conversation(self._bridge, "", ChatWishes(model=self._model_for_new()))
        self._open[""] = fresh
        self._watch(fresh)
        self._show(fresh)
        self.column.composer.focus()

    def open_chat(self, chat_id: str) -> None:
        """Show a conversation, asking the service for it when it is not known here yet."""
        conversation = self._open.get(chat_id)
        if conversation is None:
            conversation = Conversation(self._bridge, chat_id)
            self._open[chat_id] = conversation
            self._watch(conversation)
        self._show(conversation)

    def take_model(self, model_id: str) -> None:
        """Let this model answer in the chat in view, and begin to load it."""
        self.last_model = model_id
        self.conversation.patch({"model": model_id})
        self._actions.load(model_id)

    def _show(self, conversation: Conversation) -> None:
        self.inspector.parameters.show_chat(conversation)
        self.column.show_chat(conversation)
        self.list.set_current(conversation.chat_id)
        self._answer_changed()
        self.chat_shown.emit(conversation.chat_id)

    def _watch(self, conversation: Conversation) -> None:
        def created(chat_id: str) -> None:
            self._open.pop("", None)
            self._open[chat_id] = conversation
            if conversation is self.conversation:
                self.list.set_current(chat_id)
                self.chat_shown.emit(chat_id)
            self.list.set_busy(chat_id, conversation.busy)

        conversation.created.connect(created)
        conversation.ended.connect(self._answer_ended)
        conversation.busy_changed.connect(lambda busy: self.list.set_busy(conversation.chat_id, busy))

    def _model_for_new(self) -> str:
        """The setting, else the last one used, else the one that is loaded, else the only one."""
        models = self._store.chat_models()
        known = {model.id for model in models}
        wanted = (str(self._store.settings.get("default_model", "")), self.last_model)
        chosen = next((model_id for model_id in wanted if model_id in known), "")
        return chosen or (models[0].id if models and (models[0].loaded or len(models) == 1) else "")

    def _models_changed(self) -> None:
        conversation = self.conversation
        if not conversation.chat_id and not conversation.model and (model := self._model_for_new()):
            conversation.patch({"model": model})

    def regenerate(self) -> None:
        """Answer the last question of the chat in view again."""
        self.conversation.regenerate()

    # -- what can be done with a chat --------------------------------------------------------------------------------

    def rename(self, chat_id: str, title: str) -> None:
        self._patch(chat_id, {"title": title})

    def pin(self, chat_id: str, pinned: bool) -> None:
        self._patch(chat_id, {"pinned": pinned})

    def delete(self, chat_id: str, title: str) -> None:
        """Delete at once, and offer to take it back."""
        if not chat_id:
            return

        def done(_nothing: object) -> None:
            self._deleted.add(chat_id)
            if self.conversation.chat_id == chat_id:
                self._open.pop("", None)
                self.new_chat()
            self._open.pop(chat_id, None)
            self._store.ask_chats()
            name = textwrap.shorten(title or "New chat", SHORT_TITLE, placeholder="…")
            self._toasts.show_toast(f"“{name}” was deleted.", undo=lambda: self._restore(chat_id))

        conversation = self._open.get(chat_id)
        if conversation is not None:
            conversation.stop()
        self._bridge.call(lambda client: client.delete_chat(chat_id), done, self._failed, owner=self)

    def _restore(self, chat_id: str) -> None:
        def done(_chat: Chat) -> None:
            self._deleted.discard(chat_id)
            self._store.ask_chats()
            self.open_chat(chat_id)

        self._bridge.call(lambda client: client.restore_chat(chat_id), done, self._failed, owner=self)

    def _patch(self, chat_id: str, changes: dict[str, object]) -> None:
        conversation = self._open.get(chat_id)
        if conversation is None:
            # Not shown and not kept: only the list has to hear of the change.
            conversation = Conversation(self._bridge, chat_id)
            self._open[chat_id] = conversation
            self._watch(conversation)
        conversation.patch(changes)

    def _failed(self, failure: Failure) -> None:
        self.column.say(failure)

    def copy_conversation(self) -> None:
        """The branch in view as Markdown text."""
        speakers = {"user": "You", "assistant": "Answer", "system": "System"}
        parts = [f"**{speakers[s.message.role]}**\n\n{s.message.content}" for s in self.conversation.branch()]
        QGuiApplication.clipboard().setText("\n\n".join(parts))
        self._toasts.show_toast("The conversation was copied as Markdown.")

    def _fill_menu(self, menu: QMenu) -> None:
        chat = self.conversation
        summary = self._summary(chat.chat_id)
        pinned = bool(summary and summary.pinned)
        icon = self.theme.icon
        menu.addAction(icon("pencil"), "Rename", self.column.header.edit_title)
        menu.addAction(
            icon("pin-off" if pinned else "pin"),
            "Unpin" if pinned else "Pin",
            lambda: self.pin(chat.chat_id, not pinned),
        )
        menu.addAction(icon("copy"), "Copy as Markdown", self.copy_conversation)
        menu.addSeparator()
        menu.addAction(icon("trash-2"), "Delete", lambda: self.delete(chat.chat_id, chat.title))

    def _summary(self, chat_id: str) -> ChatSummary | None:
        return next((chat for chat in self._store.chats if chat.id == chat_id), None)

    # -- layout ------------------------------------------------------------------------------------------------------

    def toggle_list(self) -> None:
        """Fold or unfold the list; in a narrow window it stays open only until the window is resized."""
        self.list_wanted = self.list.isHidden()
        if self.list_wanted and self._narrow():
            self._show_inspector(False)
        self.list.setVisible(self.list_wanted)

    def find_chat(self) -> None:
        """Put the cursor into the search over all chats, unfolding the list for it."""
        if self.list.isHidden():
            self.toggle_list()
        self.list.focus_search()

    def toggle_inspector(self) -> None:
        self.inspector_wanted = self.inspector.isHidden()
        self._open_inspector(self.inspector_wanted)

    def open_parameters(self) -> None:
        self.inspector_wanted = True
        self._open_inspector(True)
        self.inspector.show_tab("parameters")
        self.inspector.parameters.system_prompt.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def fold_for(self, window_width: int) -> None:
        """Fold what has no room in a window of this width."""
        zoom = self.theme.zoom / 100
        self.list.setVisible(self.list_wanted and window_width >= LIST_FROM * zoom)
        self._show_inspector(self.inspector_wanted and window_width >= INSPECTOR_FROM * zoom)

    def _narrow(self) -> bool:
        """Whether the list and the inspector beside each other would leave too little for the conversation."""
        return self.window().width() < LIST_FROM * self.theme.zoom / 100

    def _open_inspector(self, shown: bool) -> None:
        if shown and self._narrow():
            self.list.setVisible(False)
        self._show_inspector(shown)

    def _show_inspector(self, shown: bool) -> None:
        self.inspector.setVisible(shown)
        self.column.header.inspector.setChecked(shown)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.fold_for(self.window().width())

    def areas(self) -> list[QWidget]:
        """Where F6 leads within this page, in reading order; each gives what gets the focus."""
        areas: list[QWidget] = []
        if not self.list.isHidden():
            areas.append(self.list.first_focus())
        areas.append(self.column.composer.edit)
        if not self.inspector.isHidden():
            areas.append(self.inspector.first_focus())
        return areas

    # -- wiring ------------------------------------------------------------------------------------------------------

    def _show_source(self, message_id: str, number: int) -> None:
        """A citation was pressed: show the sources of its answer, and go to the one that is meant."""
        message = next((one for one in self.conversation.messages if one.id == message_id), None)
        if message is None:
            return
        self.inspector.evidence.show(message)
        if self.inspector.isHidden():
            self.inspector_wanted = True
            self._open_inspector(True)
        self.inspector.show_tab("sources")
        self.inspector.sources.choose(number)

    def _files_began(self) -> None:
        """Files are asked from now on: their panel is where to look."""
        self.inspector.show_tab("sources")

    def _answer_changed(self) -> None:
        self.inspector.evidence.show(self.column.answer)
        self.inspector.details.show_answer(self.column.answer, self.column.gauge.room)

    def _status_changed(self) -> None:
        status = self._store.status
        # The service's figure fades over some seconds after an answer; the answer's own stands then.
        if status is not None and any(conversation.busy for conversation in self._open.values()):
            self.inspector.add_speed(status.tokens_per_s)

    def _answer_ended(self, answer: Message) -> None:
        self.inspector.add_speed(answer.usage.tokens_per_s if answer.usage else None)

    def _chats_came(self) -> None:
        for summary in self._store.chats:
            if (conversation := self._open.get(summary.id)) is not None:
                conversation.take_summary(summary)

    def _chat_heard(self, chat_id: str, action: str) -> None:
        conversation = self._open.get(chat_id)
        if conversation is not None and conversation.chat is not None:
            conversation.heard(action)

    def _connect(self) -> None:
        self.list.chosen.connect(self.open_chat)
        self.list.new_asked.connect(self.new_chat)
        self.list.rename_asked.connect(self.rename)
        self.list.pin_asked.connect(self.pin)
        self.list.delete_asked.connect(self.delete)
        self.column.gave_up.connect(self.new_chat)
        self.column.answer_changed.connect(self._answer_changed)
        self.column.model_asked.connect(lambda: self.model_asked.emit(self.column.header.pill))
        self.column.composer.parameters_asked.connect(self.open_parameters)
        self.column.header.list_asked.connect(self.toggle_list)
        self.column.header.inspector_asked.connect(self.toggle_inspector)
        self.column.header.menu_asked.connect(self._fill_menu)
        self.column.transcript.citation_clicked.connect(self._show_source)
        self.column.asking.began.connect(self._files_began)
        sources = self.inspector.sources
        sources.preview_asked.connect(self.preview_asked)
        sources.open_asked.connect(self.open_asked)
        sources.marks_changed.connect(self.column.transcript.mark_unsupported)
        self.inspector.why.opened.connect(lambda: self.why_asked.emit(self.inspector.evidence.message))
        self._store.models_changed.connect(self._models_changed)
        self._store.settings_changed.connect(self._models_changed)
        self._store.status_changed.connect(self._status_changed)
        self._store.chats_changed.connect(self._chats_came)
        self._store.chat_changed.connect(self._chat_heard)
