"""The files of a repo to choose from: quantization, size, how much of the memory, how fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFocusEvent, QHelpEvent, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolTip,
    QWidget,
)

from desktop.qt.components import paint
from desktop.qt.components.label import plain_tooltip
from desktop.qt.figures import in_bytes
from desktop.qt.models.card_boxes import tag_width
from desktop.qt.models.card_delegate import paint_tag
from desktop.qt.models.cards import Tag
from desktop.qt.models.repo_words import variant_look
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CARD, RING_WIDTH

if TYPE_CHECKING:
    from desktop.wire_models import Fit, HubVariant

Index = QModelIndex | QPersistentModelIndex
NO_PARENT = QModelIndex()
HEIGHT = 61
GAP = 8
BAR = 117
RECOMMENDED = Tag("Recommended", "accent")


class VariantModel(QAbstractListModel):
    """Variants of one repo, with the exact fit of those whose header was read."""

    def __init__(self) -> None:
        super().__init__()
        self.variants: list[HubVariant] = []
        self.fits: dict[str, Fit] = {}
        self.memory_bytes = 0

    def show(self, variants: Sequence[HubVariant], memory_bytes: int) -> None:
        self.beginResetModel()
        self.variants, self.fits, self.memory_bytes = list(variants), {}, memory_bytes
        self.endResetModel()

    def take_fit(self, name: str, fit: Fit) -> None:
        """The exact judgement of one variant."""
        self.fits[name] = fit
        for row, variant in enumerate(self.variants):
            if variant.name == name:
                self.dataChanged.emit(self.index(row), self.index(row))

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self.variants)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        variant = self.variants[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return variant.name
        if role == Qt.ItemDataRole.AccessibleTextRole:
            look = variant_look(variant, self.fits.get(variant.name), self.memory_bytes)
            recommended = "recommended" if variant.recommended else ""
            parts = (variant.name, recommended, in_bytes(variant.bytes), look.words, variant.about)
            return ", ".join(part for part in parts if part)
        return None


class VariantDelegate(QStyledItemDelegate):
    """Two lines in a box: name and size; the bar and what it means."""

    def __init__(self, theme: Theme, view: VariantList) -> None:
        super().__init__(view)
        self._theme = theme
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(0, self._theme.px(HEIGHT + GAP))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        paint.antialiased(painter)
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        self._paint_box(painter, QRectF(rect).adjusted(0, 0, 0, -self._theme.px(GAP)), index, state)
        painter.restore()

    def _paint_box(self, painter: QPainter, box: QRectF, index: Index, state: QStyle.StateFlag) -> None:
        theme, px, color = self._theme, self._theme.px, self._theme.color
        selected = bool(state & QStyle.StateFlag.State_Selected)
        hover = bool(state & QStyle.StateFlag.State_MouseOver)
        keyed = selected and self._view.by_keyboard and self._view.hasFocus()
        edge = "accent" if selected else "border_strong" if hover else "border"
        paint.box(painter, box, px(RADIUS_CARD), color("bg_raised"), color(edge), width=RING_WIDTH if keyed else 1.0)
        model = self._view.variants
        variant = model.variants[index.row()]
        look = variant_look(variant, model.fits.get(variant.name), model.memory_bytes)
        inner = box.adjusted(px(12), px(9), -px(12), -px(9))
        top = QRectF(inner.x(), inner.y(), inner.width(), px(20))
        size, small = in_bytes(variant.bytes), theme.font("small")
        width = paint.text_width(size, small)
        paint.text(painter, top, size, small, color("text2"), align=Qt.AlignmentFlag.AlignRight)
        name = theme.font("code", weight=500)
        taken = min(paint.text_width(variant.name, name), top.width() - width - px(8))
        paint.text(painter, QRectF(top.x(), top.y(), taken, top.height()), variant.name, name, color("text"))
        if variant.recommended:
            spot = QRectF(top.x() + taken + px(8), top.y() - px(1), tag_width(theme, RECOMMENDED), px(22))
            if spot.right() < top.right() - width - px(4):
                paint_tag(painter, theme, RECOMMENDED, spot)
        line = QRectF(inner.x(), inner.bottom() - px(18), inner.width(), px(18))
        bar = QRectF(line.x(), line.center().y() - px(2), px(BAR), px(4))
        paint.bar(painter, bar, look.share, color(look.token), color("bg_selected"))
        words = line.adjusted(px(BAR + 10), 0, 0, 0)
        paint.text(painter, words, look.words, small, color("text2" if look.token == "accent" else look.token))


class VariantList(QListView):
    """`chosen(name)`, also by arrow keys; `taken(name)` by Enter or a double click."""

    chosen = Signal(str)
    taken = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.by_keyboard = False
        self.variants = VariantModel()
        self.setAccessibleName("Files of this model")
        self.setModel(self.variants)
        self.setItemDelegate(VariantDelegate(theme, self))
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self.selectionModel().currentChanged.connect(self._current_changed)
        self.activated.connect(self._activated)
        theme.changed.connect(self.scheduleDelayedItemsLayout)

    def show_variants(self, variants: Sequence[HubVariant], memory_bytes: int, choose: str = "") -> None:
        """Show these, the named one chosen, else the recommended one, else the first. All of them have their room."""
        self.variants.show(variants, memory_bytes)
        self.setFixedHeight(len(variants) * self._theme.px(HEIGHT + GAP))
        wanted = next((v.name for v in variants if v.name == choose), "")
        wanted = wanted or next((v.name for v in variants if v.recommended), variants[0].name if variants else "")
        for row, variant in enumerate(variants):
            if variant.name == wanted:
                self.setCurrentIndex(self.variants.index(row))

    @property
    def current(self) -> HubVariant | None:
        row = self.currentIndex().row()
        return self.variants.variants[row] if 0 <= row < len(self.variants.variants) else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.by_keyboard = True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self.current is not None:
            self.taken.emit(self.current.name)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.by_keyboard = event.reason() != Qt.FocusReason.MouseFocusReason

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            index = self.indexAt(event.pos())
            about = self.variants.variants[index.row()].about if index.isValid() else ""
            QToolTip.showText(event.globalPos(), plain_tooltip(about), self)
            return True
        return super().viewportEvent(event)

    def _current_changed(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(self.variants.variants[index.row()].name)

    def _activated(self, index: QModelIndex) -> None:
        if index.isValid():
            self.taken.emit(self.variants.variants[index.row()].name)
