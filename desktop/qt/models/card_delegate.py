"""Paints cards: letter, name, words, chips, bar and buttons."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from desktop.qt.components import paint
from desktop.qt.components.chip import chip_tokens
from desktop.qt.models.card_boxes import END, CardBoxes, card_boxes, card_height, row_area
from desktop.qt.models.card_model import CARD, Index
from desktop.qt.models.cards import Act, Card, Tag
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_BUTTON, RADIUS_CARD, RING_WIDTH


class Pointed(Protocol):
    """What the delegate asks its view: which button the mouse or the keys are at, as (row, act), -1 for none."""

    hot: tuple[int, int]
    held: tuple[int, int]
    key_act: int
    by_keyboard: bool

    def hasFocus(self) -> bool: ...

    def width(self) -> int: ...


class CardDelegate(QStyledItemDelegate):
    """One card per row. The current one has the accent's outline, by keys also a ring around one of its buttons."""

    def __init__(self, theme: Theme, parent: QWidget, pointed: Pointed) -> None:
        super().__init__(parent)
        self._theme = theme
        self._pointed = pointed

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        card: Card | None = index.data(CARD)
        if card is None:
            return QSize(0, 0)
        width = self._pointed.width() - self._theme.px(END)
        return QSize(0, card_height(self._theme, card, width, first=index.row() == 0))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        card: Card | None = index.data(CARD)
        if card is None:
            return
        painter.save()
        paint.antialiased(painter)
        rect: QRect = option.rect
        area = row_area(rect, self._pointed.width(), self._theme.px(END))
        if card.heading:
            self._paint_heading(painter, area, card)
        else:
            state: QStyle.StateFlag = option.state
            self._paint_card(painter, card, card_boxes(self._theme, card, area), index.row(), state)
        painter.restore()

    def _paint_heading(self, painter: QPainter, area: QRectF, card: Card) -> None:
        words = QRectF(area.left(), area.bottom() - self._theme.px(24), area.width(), self._theme.px(18))
        paint.text(painter, words, card.title, self._theme.font("small", weight=600), self._theme.color("text2"))

    def _paint_card(self, painter: QPainter, card: Card, boxes: CardBoxes, row: int, state: QStyle.StateFlag) -> None:
        color, px = self._theme.color, self._theme.px
        current = bool(state & QStyle.StateFlag.State_Selected)
        keyed = current and self._pointed.by_keyboard and self._pointed.hasFocus()
        hover = bool(state & QStyle.StateFlag.State_MouseOver) and self._pointed.hot != (row, -1)
        ground = "bg_raised"
        edge = "accent" if current else "border_strong" if hover else "border"
        width = RING_WIDTH if keyed and self._pointed.key_act < 0 else 1.0
        paint.box(painter, boxes.card, px(RADIUS_CARD), color(ground), color(edge), width=width)
        self._paint_words(painter, card, boxes)
        for number, (act, box) in enumerate(boxes.acts):
            self._paint_act(painter, act, box, (row, number), ring=keyed and self._pointed.key_act == number)

    def _paint_words(self, painter: QPainter, card: Card, boxes: CardBoxes) -> None:
        theme, color, px = self._theme, self._theme.color, self._theme.px
        paint.box(painter, boxes.tile, px(RADIUS_BUTTON), color("bg_chip"))
        middle = Qt.AlignmentFlag.AlignHCenter
        paint.text(painter, boxes.tile, card.title[:1].upper(), theme.font("title"), color("text2"), align=middle)
        self._paint_title(painter, card, boxes.title)
        self._paint_about(painter, card, boxes)
        for tag, box in boxes.tags:
            paint_tag(painter, theme, tag, box)
        if card.progress is not None:
            paint_progress(painter, theme, boxes.bar, card.progress.fraction, card.progress.token)
            paint.text(painter, boxes.words, card.progress.words, theme.font("small"), color("text2"))
        paint.paragraph(painter, boxes.problem, boxes.problem_lines, theme.font("small"), color("danger"))
        paint.text(painter, boxes.remark, card.remark, theme.font("small"), color("text2"))
        if card.badge is not None:
            paint_tag(painter, theme, card.badge, boxes.badge)

    def _paint_title(self, painter: QPainter, card: Card, area: QRectF) -> None:
        theme = self._theme
        font = theme.font("label", weight=600)
        width = min(paint.text_width(card.title, font), area.width())
        paint.text(painter, QRectF(area.x(), area.y(), width, area.height()), card.title, font, theme.color("text"))
        by = area.adjusted(width + theme.px(8), 0, 0, 0)
        if by.width() > min(theme.px(64), paint.text_width(card.by, theme.font("small"))):
            paint.text(painter, by, card.by, theme.font("small"), theme.color("text2"))

    def _paint_about(self, painter: QPainter, card: Card, boxes: CardBoxes) -> None:
        font, color = self._theme.font(), self._theme.color("text2")
        if card.about_is_path:
            paint.text(painter, boxes.about, card.about, font, color, elide=Qt.TextElideMode.ElideMiddle)
        else:
            paint.paragraph(painter, boxes.about, boxes.about_lines, font, color)

    def _paint_act(self, painter: QPainter, act: Act, box: QRectF, place: tuple[int, int], *, ring: bool) -> None:
        theme, color, px = self._theme, self._theme.color, self._theme.px
        hot, down = self._pointed.hot == place, self._pointed.held == place
        shade = "bg_selected" if down else "bg_hover" if hot else ""
        radius, side = px(RADIUS_BUTTON), px(16 if act.text else 18)
        if act.text:
            paint.box(painter, box, radius, color(shade or "bg_raised"), color("border_strong"))
        elif shade:
            paint.box(painter, box, radius, color(shade))
        if ring:
            paint.box(painter, box, radius, None, color("accent"), width=RING_WIDTH)
        x = box.left() + px(12) if act.text else box.center().x() - side / 2
        if act.icon:
            theme.paint_icon(painter, QRectF(x, box.center().y() - side / 2, side, side), act.icon, "text2")
            x += side + px(8)
        if act.text:
            words = QRectF(x, box.top(), box.right() - px(8) - x, box.height())
            paint.text(painter, words, act.text, theme.font("label"), color("text"))


def paint_tag(painter: QPainter, theme: Theme, tag: Tag, box: QRectF) -> None:
    """A chip as the component of that name draws it, a little lower."""
    px = theme.px
    ground, border, words = chip_tokens(tag.tone)  # type: ignore[arg-type]
    edge = theme.color(border) if border else None
    paint.box(painter, box, px(RADIUS_BUTTON), theme.color(ground), edge)
    x, side = box.left() + px(8), px(13)
    if tag.icon:
        theme.paint_icon(painter, QRectF(x, box.center().y() - side / 2, side, side), tag.icon, words)
        x += side + px(5)
    font = theme.font("meta" if tag.mono else "small", mono=tag.mono, weight=500)
    paint.text(painter, QRectF(x, box.top(), box.right() - px(6) - x, box.height()), tag.text, font, theme.color(words))


def paint_progress(painter: QPainter, theme: Theme, area: QRectF, fraction: float | None, token: str) -> None:
    """A bar; without a fraction a third in its middle stands filled."""
    paint.bar(painter, area, fraction or 0.0, theme.color(token), theme.color("bg_selected"))
    if fraction is None:
        third = QRectF(area.x() + area.width() / 3, area.y(), area.width() / 3, area.height())
        paint.box(painter, third, area.height() / 2, theme.color(token))
