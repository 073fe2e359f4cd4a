"""Formulas as pictures: ziamath in a worker, kept by source, colour, size and scale. What it cannot set stays text."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from dataclasses import dataclass

from PySide6.QtCore import QByteArray, QObject, QPoint, QRect, QRunnable, QSize, Qt, QThreadPool, Signal, Slot
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

from desktop.qt.transcript.piece_widget import Kit, PieceWidget
from desktop.qt.transcript.pieces import Formula

KEPT = 256
SOURCE_LIMIT = 2_000
# ziamath keeps fonts and settings for the whole process and says nothing about threads.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class FormulaKey:
    source: str
    color: str
    size: int
    scale: float
    display: bool


@dataclass(frozen=True, slots=True)
class FormulaPicture:
    """`image` is None when the source could not be set. `ascent` is the part above the baseline, in pixels."""

    image: QImage | None
    ascent: float = 0.0

    @property
    def size(self) -> QSize:
        return QSize() if self.image is None else self.image.deviceIndependentSize().toSize()


def draw_formula(key: FormulaKey) -> FormulaPicture:
    """Set one formula; 4 to 30 ms. May run in any thread. A source over 2,000 characters is not tried."""
    if len(key.source) > SOURCE_LIMIT:
        return FormulaPicture(None)
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ziafont reads its fonts in a way that newer Pythons complain about
            import ziamath

            ziamath.config.svg2 = False  # type: ignore[attr-defined]  # with symbols QtSvg draws garbage
            made = ziamath.Latex(  # type: ignore[attr-defined]
                key.source, size=key.size, color=key.color, inline=not key.display
            )
            svg, below = made.svg(), made.getyofst()
    except Exception:  # whatever a hostile formula does to the library, its source is shown instead
        return FormulaPicture(None)
    renderer = QSvgRenderer(QByteArray(svg.encode()))
    size = renderer.defaultSize()
    if not renderer.isValid() or not 0 < size.width() <= 4000 or not 0 < size.height() <= 2000:
        return FormulaPicture(None)
    image = QImage(size * key.scale, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    renderer.render(painter)
    painter.end()
    image.setDevicePixelRatio(key.scale)
    return FormulaPicture(image, size.height() + below)


class _Draw(QRunnable):
    def __init__(self, key: FormulaKey, maths: Maths) -> None:
        super().__init__()
        self._key = key
        self._maths = maths

    def run(self) -> None:
        picture = draw_formula(self._key)
        if isValid(self._maths):
            self._maths.drawn.emit(self._key, picture)


class Maths(QObject):
    """Keeps the last 256 formulas. `ready` comes when one that was asked for can be shown."""

    drawn = Signal(object, object)
    ready = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._kept: OrderedDict[FormulaKey, FormulaPicture] = OrderedDict()
        self._asked: set[FormulaKey] = set()
        self.drawn.connect(self._drawn)

    def picture(self, key: FormulaKey) -> FormulaPicture | None:
        """The formula when it is drawn already; otherwise None, and it is drawn meanwhile."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._asked:
            self._asked.add(key)
            QThreadPool.globalInstance().start(_Draw(key, self))
        return None

    @Slot(object, object)
    def _drawn(self, key: FormulaKey, picture: FormulaPicture) -> None:
        self._asked.discard(key)
        self._kept[key] = picture
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self.ready.emit(key.source)


class FormulaBlock(PieceWidget):
    """A formula on a line of its own, in the middle; its source as code until it is drawn or when it cannot be."""

    def __init__(self, kit: Kit, parent: QWidget | None = None) -> None:
        super().__init__(kit, parent)
        self._picture: FormulaPicture | None = None
        self._selected = False
        kit.maths.ready.connect(self._ready)

    def show_piece(self, piece: object) -> None:
        assert isinstance(piece, Formula)
        self.piece = piece
        self.setAccessibleName(f"Formula: {piece.source}")
        self._look()

    def _key(self) -> FormulaKey:
        assert isinstance(self.piece, Formula)
        theme = self.kit.theme
        return FormulaKey(self.piece.source, theme.tokens.text, theme.px(18), self.devicePixelRatioF(), True)

    def _look(self) -> None:
        self._picture = self.kit.maths.picture(self._key())
        self.update()

    @Slot(str)
    def _ready(self, source: str) -> None:
        if isinstance(self.piece, Formula) and self.piece.source == source and self._picture is None:
            self._look()
            self.height_changed.emit()

    def _source_rect(self, width: int) -> QRect:
        assert isinstance(self.piece, Formula)
        metrics = self._metrics("code")
        room = QRect(0, 0, max(1, width), 100_000)
        return metrics.boundingRect(room, int(Qt.TextFlag.TextWrapAnywhere), self.piece.source)

    def height_for(self, width: int) -> int:
        if self._picture is not None and self._picture.image is not None:
            return self._shown_size(width).height() + self.kit.theme.px(8)
        return self._source_rect(width).height() + self.kit.theme.px(8)

    def _shown_size(self, width: int) -> QSize:
        assert self._picture is not None
        size = self._picture.size
        return size if size.width() <= width else size.scaled(width, size.height(), Qt.AspectRatioMode.KeepAspectRatio)

    def offset_at(self, point: QPoint) -> int:
        return int(point.x() > self.width() // 2)

    def select(self, start: int, end: int) -> None:
        self._selected = end > start
        self.update()

    def retheme(self) -> None:
        if isinstance(self.piece, Formula):
            self._look()

    def paintEvent(self, event: QPaintEvent) -> None:
        assert isinstance(self.piece, Formula)
        painter = QPainter(self)
        theme = self.kit.theme
        if self._selected:
            painter.fillRect(self.rect(), theme.color("selection"))
        if self._picture is not None and self._picture.image is not None:
            size = self._shown_size(self.width())
            spot = QRect(QPoint((self.width() - size.width()) // 2, (self.height() - size.height()) // 2), size)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(spot, self._picture.image)
            return
        painter.setFont(theme.font("code"))
        painter.setPen(theme.color("code_text"))
        painter.drawText(self.rect(), int(Qt.TextFlag.TextWrapAnywhere), self.piece.source)
