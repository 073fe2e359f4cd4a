"""Where everything on a card lies, for painting and for the mouse alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QPointF, QRect, QRectF

from desktop.qt.components import paint
from desktop.qt.models.cards import Act, Card, Tag
from desktop.qt.theme import Theme
from desktop.qt.tokens import BUTTON

PAD = 13
TILE = 36
GAP = 8  # between cards
TAG = 22
HEADING = 34
FIRST_HEADING = 28
END = 20  # free beside the cards, where the scroll bar stands
LINE = 18
MOST_LINES = 2  # of what a card is about, and of what went wrong
BAR_SHARE = 0.44  # of the card's width, so that the words beside it always have the same room


@dataclass(slots=True)
class CardBoxes:
    """Places of one card, in the coordinates of its view; empty where there is nothing."""

    card: QRectF
    tile: QRectF = field(default_factory=QRectF)
    title: QRectF = field(default_factory=QRectF)
    about: QRectF = field(default_factory=QRectF)
    about_lines: list[str] = field(default_factory=list)
    tags: list[tuple[Tag, QRectF]] = field(default_factory=list)
    bar: QRectF = field(default_factory=QRectF)
    words: QRectF = field(default_factory=QRectF)
    problem: QRectF = field(default_factory=QRectF)
    problem_lines: list[str] = field(default_factory=list)
    remark: QRectF = field(default_factory=QRectF)
    badge: QRectF = field(default_factory=QRectF)
    acts: list[tuple[Act, QRectF]] = field(default_factory=list)
    bottom: float = 0.0  # where the words end

    def act_at(self, point: QPointF) -> int:
        """Number of the act under a point, -1 for none."""
        return next((i for i, (_, box) in enumerate(self.acts) if box.contains(point)), -1)


def row_area(row: QRect, view_width: int, end: int) -> QRectF:
    """A row's room for a card: the same whether a scroll bar stands beside it or not."""
    return QRectF(row.left(), row.top(), view_width - end, row.height())


def card_height(theme: Theme, card: Card, width: float, *, first: bool = False) -> int:
    """Height of a row of this width with the gap below it."""
    px = theme.px
    if card.heading:
        return px(FIRST_HEADING if first else HEADING)
    boxes = card_boxes(theme, card, QRectF(0, 0, width, 0))
    bottom = max(boxes.tile.bottom(), boxes.bottom)
    return round(bottom) + px(PAD) + px(GAP)


def card_boxes(theme: Theme, card: Card, row: QRectF) -> CardBoxes:
    """Lay out a card in its row: buttons at the right end first, the words get what is left."""
    px = theme.px
    boxes = CardBoxes(row.adjusted(0, 0, 0, -px(GAP)))
    left = boxes.card.left() + px(PAD)
    boxes.tile = QRectF(left, boxes.card.top() + px(PAD), px(TILE), px(TILE))
    right = _place_end(theme, card, boxes)
    x, y = left + px(TILE) + px(12), boxes.card.top() + px(PAD)
    room = max(px(80), right - px(12) - x)
    boxes.title = QRectF(x, y, room, px(20))
    y += px(20)
    if card.about:
        one = card.about_is_path
        boxes.about_lines = [card.about] if one else paint.wrapped(card.about, theme.font(), room, MOST_LINES)
        boxes.about = QRectF(x, y, room, px(LINE) * len(boxes.about_lines))
        y = boxes.about.bottom()
    if card.tags:
        y += px(4)
        _place_tags(theme, card, boxes, y)
        y += px(TAG)
    if card.progress is not None:
        bar = boxes.card.width() * BAR_SHARE
        boxes.bar = QRectF(x, y + px(16), bar, px(5))
        boxes.words = QRectF(x + bar + px(12), y + px(9), boxes.card.right() - px(PAD) - x - bar - px(12), px(18))
        y += px(25)
    if card.problem:
        boxes.problem_lines = paint.wrapped(card.problem, theme.font("small"), room, MOST_LINES)
        boxes.problem = QRectF(x, y + px(4), room, px(LINE) * len(boxes.problem_lines))
        y = boxes.problem.bottom()
    boxes.bottom = y
    return boxes


def act_width(theme: Theme, act: Act) -> int:
    px = theme.px
    if not act.text:
        return px(BUTTON)
    icon = px(16) + px(8) if act.icon else 0
    return paint.text_width(act.text, theme.font("label")) + icon + 2 * px(12)


def tag_width(theme: Theme, tag: Tag) -> int:
    px = theme.px
    font = theme.font("meta" if tag.mono else "small", mono=tag.mono, weight=500)
    icon = px(13) + px(5) if tag.icon else 0
    return paint.text_width(tag.text, font) + icon + 2 * px(8)


def _place_end(theme: Theme, card: Card, boxes: CardBoxes) -> float:
    """Buttons, badge and remark from the right; gives where they begin."""
    px = theme.px
    # With a bar below, they stand beside the words and not in the middle of the card.
    area = boxes.card.adjusted(0, 0, 0, -px(25) if card.progress is not None else 0)
    x, middle = area.right() - px(PAD), area.center().y()
    for act in reversed(card.shown_acts):
        width = act_width(theme, act)
        x -= width
        boxes.acts.insert(0, (act, QRectF(x, middle - px(BUTTON) / 2, width, px(BUTTON))))
        x -= px(8) if act.text else 0
    if card.badge is not None:
        width = tag_width(theme, card.badge)
        x -= width
        boxes.badge = QRectF(x, middle - px(TAG + 2) / 2, width, px(TAG + 2))
        x -= px(8)
    if card.remark:
        width = paint.text_width(card.remark, theme.font("small"))
        x -= width + px(4)
        boxes.remark = QRectF(x, middle - px(9), width, px(18))
    return x


def _place_tags(theme: Theme, card: Card, boxes: CardBoxes, y: float) -> None:
    """All tags that fit; the first says what it is, the last how it fits here, so those in between go first."""
    px = theme.px
    x, room = boxes.title.left(), boxes.title.width()
    tags = [(tag, tag_width(theme, tag)) for tag in card.tags]
    while len(tags) > 1 and sum(width + px(8) for _, width in tags) - px(8) > room:
        tags.pop(-2 if len(tags) > 2 else 0)
    for tag, width in tags:
        boxes.tags.append((tag, QRectF(x, y, min(width, room), px(TAG))))
        x += width + px(8)
