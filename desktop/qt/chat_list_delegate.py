"""Paints a row of the conversation list: a heading, a chat with its time, or a search result with the words found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from desktop.qt.chat_list_model import CHAT, TIME, Index
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_BUTTON, ROW, ROW_TWO_LINES

if TYPE_CHECKING:
    from desktop.wire import ChatSummary

MAX_TITLE = 300


class ChatListDelegate(QStyledItemDelegate):
    """Row heights follow the zoom; the chat that is shown stands out by colour and weight."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.busy_ids: set[str] = set()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        chat: ChatSummary | None = index.data(CHAT)
        if chat is None:
            return QSize(0, self._theme.px(34 if index.row() else 26))
        return QSize(0, self._theme.px(ROW_TWO_LINES if chat.snippet else ROW))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        px = self._theme.px
        rect: QRect = option.rect
        chat: ChatSummary | None = index.data(CHAT)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if chat is None:
            painter.setFont(self._theme.font("small", weight=600))
            painter.setPen(self._theme.color("text3"))
            heading = rect.adjusted(px(16), 0, -px(12), -px(4))
            painter.drawText(heading, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, str(index.data()))
        else:
            self._paint_chat(painter, option, index, chat)
        painter.restore()

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        editor = QLineEdit(parent)
        editor.setMaxLength(MAX_TITLE)
        editor.setAccessibleName("Name of the chat")
        editor.setFont(self._theme.font("ui"))
        tokens = self._theme.tokens
        editor.setStyleSheet(
            f"background: {tokens.bg_input}; color: {tokens.text}; border: 1px solid {tokens.accent};"
            f"border-radius: {RADIUS_BUTTON}px; padding: 0 6px;"
        )
        return editor

    def _paint_chat(self, painter: QPainter, option: QStyleOptionViewItem, index: Index, chat: ChatSummary) -> None:
        px = self._theme.px
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        box = rect.adjusted(px(8), 1, -px(8), -1)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color("bg_selected" if selected else "bg_hover"))
            painter.drawRoundedRect(box, px(RADIUS_BUTTON), px(RADIUS_BUTTON))
        if state & QStyle.StateFlag.State_HasFocus and state & QStyle.StateFlag.State_KeyboardFocusChange:
            painter.setPen(QPen(self._theme.color("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, px(RADIUS_BUTTON), px(RADIUS_BUTTON))
        inner = box.adjusted(px(10), 0, -px(10), 0)
        line = QRect(inner.x(), inner.y(), inner.width(), px(ROW) - 2)
        if chat.pinned:
            icon = QRect(line.x(), line.y() + (line.height() - px(14)) // 2, px(14), px(14))
            self._theme.paint_icon(painter, icon, "pin", "text3")
            line.setLeft(line.left() + px(24))
        time = str(index.data(TIME))
        painter.setFont(self._theme.font("small"))
        room = painter.fontMetrics().horizontalAdvance(time)
        if chat.id in self.busy_ids:
            self._paint_dot(painter, line)
        elif not chat.pinned:
            painter.setPen(self._theme.color("text3"))
            painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, time)
        else:
            room = 0
        self._paint_text(painter, line.adjusted(0, 0, -room - px(8), 0), str(index.data()), selected)
        if chat.snippet:
            snippet = inner.adjusted(0, px(26), 0, -px(2))
            painter.setFont(self._theme.font("small"))
            painter.setPen(self._theme.color("text3"))
            text = painter.fontMetrics().elidedText(
                " ".join(chat.snippet.split()), Qt.TextElideMode.ElideRight, snippet.width()
            )
            painter.drawText(snippet, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_text(self, painter: QPainter, rect: QRect, text: str, selected: bool) -> None:
        painter.setFont(self._theme.font("ui", weight=600 if selected else 400))
        painter.setPen(self._theme.color("text" if selected else "text2"))
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)

    def _paint_dot(self, painter: QPainter, line: QRect) -> None:
        side = self._theme.px(8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.color("accent"))
        painter.drawEllipse(line.right() - side, line.center().y() - side // 2, side, side)
