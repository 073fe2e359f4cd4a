"""The transcript of one conversation: shows messages, and an answer while it is written."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QHideEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from desktop.qt.theme import Theme
from desktop.qt.transcript.message import MessageFrame
from desktop.qt.transcript.messages import Role, Source, State, TranscriptMessage
from desktop.qt.transcript.pieces import Prose, piece_text
from desktop.qt.transcript.rows import Row
from desktop.qt.transcript.selecting import SelectingArea
from desktop.qt.transcript.support import places_of

__all__ = ["Role", "Source", "State", "TranscriptMessage", "TranscriptView"]

FLUSH_MS = 33
COST_FACTOR = 4
ADVANCE_S = 0.008


class TranscriptView(SelectingArea):
    """Messages, virtualised: 10,000 open in a tenth of a second, because widgets exist only for those in view.

    `feed` and `feed_reasoning` only queue; a timer shows what came, every 33 ms or every
    four times what the last flush cost.
    The end is followed while the reader is at the end. Links open nothing: whoever hears `link_clicked` passes
    them on to the gate in desktop/qt/links.py.
    """

    regenerate_requested = Signal(str)
    edit_requested = Signal(str)
    branch_requested = Signal(str, int)
    answer_finished = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._queued: defaultdict[str, list[str]] = defaultdict(list)
        self._thoughts: defaultdict[str, list[str]] = defaultdict(list)
        self._unfinished: set[str] = set()
        self._announce: set[str] = set()
        self._marks_unsupported = False
        self._flush_timer = QTimer(self)
        self._flush_timer.setSingleShot(True)
        self._flush_timer.setInterval(FLUSH_MS)
        self._flush_timer.timeout.connect(self._flush)

    # Messages

    def set_messages(self, messages: Sequence[TranscriptMessage]) -> None:
        """Show another conversation or another branch; what stays the same is not read again. Goes to the end."""
        known = {row.message.id: row for row in self.rows.rows if row.splitter is not None and row.splitter.done}
        self.find_text("")
        self.stage.clear()
        self._queued.clear()
        self._thoughts.clear()
        self._unfinished.clear()
        self._announce.clear()
        self.rows.replace([self._row(message, known.get(message.id)) for message in messages])
        self.clear_selection()
        self.scroll_to_end()

    def _row(self, message: TranscriptMessage, known: Row | None) -> Row:
        same = known is not None and known.content == message.content and known.thought_text == message.reasoning
        if known is None or not same or _numbers(known.message) != _numbers(message):
            return Row(message)
        known.message = message
        return known

    def append_message(self, message: TranscriptMessage) -> None:
        """Show one more message at the end."""
        self.rows.append(Row(message))
        if message.role == "user":
            self.scroll_to_end()  # what somebody sends they want to see
        else:
            self._grown()

    def begin_answer(self, message: TranscriptMessage) -> None:
        """An answer begins: `state` is taken for "streaming", `content` is what is there already."""
        row = Row(replace(message, state="streaming"))
        row.set_width(self.rows.text_width(row), self.rows.zoom)
        row.begin(self.parser)
        row.advance(time.perf_counter() + ADVANCE_S)
        row.refresh(self.parser, self.rows.zoom)
        self.rows.append(row)
        self._grown()

    def feed(self, message_id: str, text: str) -> None:
        """More of an answer. Unknown ids are ignored: the view may show another conversation by now."""
        if text and self.rows.find(message_id) >= 0:
            self._queued[message_id].append(text)
            self._start()

    def feed_reasoning(self, message_id: str, text: str) -> None:
        """More of what the model thinks before it answers."""
        index = self.rows.find(message_id)
        if text and index >= 0:
            row = self.rows.rows[index]
            row.thought_began = row.thought_began or time.monotonic()
            self._thoughts[message_id].append(text)
            self._start()

    def set_sources(self, message_id: str, sources: tuple[Source, ...]) -> None:
        """What an answer is given to read, known before its first words: its citations are marks from then on."""
        index = self.rows.find(message_id)
        if index >= 0:
            row = self.rows.rows[index]
            row.message = replace(row.message, sources=sources)

    def mark_unsupported(self, on: bool) -> None:
        """Mark sentences that no source carries, or no longer."""
        self._marks_unsupported = on
        self.stage.show_all_ranges()

    def unsupported_in(self, row: int, part: int) -> list[tuple[int, int]]:
        shown = self.rows.rows[row]
        sentences = shown.message.unsupported
        if not (self._marks_unsupported and sentences) or part >= len(shown.parts):
            return []
        piece = shown.parts[part].piece
        return places_of(sentences, piece_text(piece)) if isinstance(piece, Prose) else []

    def set_speed(self, message_id: str, tokens_per_s: float | None) -> None:
        """Say how fast an answer is being written."""
        frame = self.stage.frames.get(self.rows.find(message_id))
        if frame is not None:
            frame.set_speed(tokens_per_s)

    def finish(self, message: TranscriptMessage) -> None:
        """An answer ended; `message` is what is stored and takes the place of what was fed."""
        index = self.rows.find(message.id)
        if index < 0:
            return
        self._take(message.id)
        row = self.rows.rows[index]
        if _numbers(row.message) != _numbers(message):
            row.forget()  # other citations are marks now
        row.message = message
        row.thought_text = message.reasoning or row.thought_text
        row.thought_seconds = message.reasoning_s if message.reasoning_s is not None else row.thought_seconds
        splitter = row.begin(self.parser)
        if message.content and _normalised(message.content) != splitter.text:
            row.forget()
            splitter = row.begin(self.parser)
        splitter.end()
        self._unfinished.add(message.id)
        self._announce.add(message.id)
        self._flush()

    def update_message(self, message: TranscriptMessage) -> None:
        """A message changed: its state, figures, branches, or all of its text."""
        index = self.rows.find(message.id)
        if index < 0:
            return
        row = self.rows.rows[index]
        same = row.content == _normalised(message.content)
        row.message = message
        row.thought_text = message.reasoning or row.thought_text
        if not same:
            row.forget()
        row.refresh(self.parser, self.rows.zoom)
        self.rows.changed(index)
        self.relayout()

    @property
    def busy(self) -> bool:
        """Whether something that was fed is not shown yet."""
        return bool(self._queued or self._thoughts or self._unfinished) or self._later.isActive()

    # Streaming

    def _start(self) -> None:
        if not self._flush_timer.isActive() and self.isVisible():
            self._flush_timer.start()

    @Slot()
    def _flush(self) -> None:
        began = time.perf_counter()
        self._flush_timer.stop()
        for message_id in {*self._queued, *self._thoughts, *self._unfinished}:
            self._advance(message_id, began + ADVANCE_S)
        self.relayout()
        cost_ms = (time.perf_counter() - began) * 1000
        self._flush_timer.setInterval(max(FLUSH_MS, round(COST_FACTOR * cost_ms)))
        if self._queued or self._thoughts or self._unfinished:
            self._start()

    def _advance(self, message_id: str, deadline: float) -> None:
        self._take(message_id)
        index = self.rows.find(message_id)
        if index < 0:
            self._unfinished.discard(message_id)
            return
        row = self.rows.rows[index]
        more = row.advance(deadline)
        row.refresh(self.parser, self.rows.zoom)
        self.rows.changed(index)
        if more:
            self._unfinished.add(message_id)
        elif message_id in self._unfinished:
            self._unfinished.discard(message_id)
        if row.splitter is not None and row.splitter.done and message_id in self._announce:
            self._announce.discard(message_id)
            self._say_finished(row)
        self.say_new_text()

    def _take(self, message_id: str) -> None:
        """Move what is queued for a message into its row."""
        index = self.rows.find(message_id)
        thoughts, texts = self._thoughts.pop(message_id, []), self._queued.pop(message_id, [])
        if index < 0:
            return
        row = self.rows.rows[index]
        row.thought_text += "".join(thoughts)
        if texts:
            if row.thought_began is not None and row.thought_seconds is None:
                row.thought_seconds = time.monotonic() - row.thought_began
            row.begin(self.parser).feed("".join(texts))

    def _grown(self) -> None:
        self.relayout()
        self.say_new_text()

    def _say_finished(self, row: Row) -> None:
        words = len(row.content.split())
        text = f"Answer finished, {words:,} word{'s' if words != 1 else ''}"
        if row.message.state == "failed":
            text = f"Answer failed. {row.message.error}"
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))
        self.answer_finished.emit(text)

    # Frames

    def frame_made(self, frame: MessageFrame) -> None:
        super().frame_made(frame)
        frame.copy_asked.connect(self._copy_message)
        frame.regenerate_asked.connect(self.regenerate_requested)
        frame.edit_asked.connect(self.edit_requested)
        frame.branch_asked.connect(self.branch_requested)
        frame.source_asked.connect(self.citation_clicked)

    @Slot(str)
    def _copy_message(self, message_id: str) -> None:
        index = self.rows.find(message_id)
        if index >= 0:
            self._to_clipboard(self.rows.rows[index].content)

    # Life

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._queued or self._thoughts or self._unfinished:
            self._start()

    def hideEvent(self, event: QHideEvent) -> None:
        self._flush_timer.stop()
        super().hideEvent(event)


def _numbers(message: TranscriptMessage) -> set[int]:
    return {source.number for source in message.sources}


def _normalised(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
