"""Places to drop files: a zone on a page, and a cover over the whole window while something is dragged over it."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QObject, QRectF, Qt, Signal, Slot
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button
from desktop.qt.components.label import Label
from desktop.qt.components.states import IconSpot
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_COMPOSER


def dropped_paths(mime: QMimeData) -> list[Path]:
    """Local files and folders in what is dragged; addresses of the network are none."""
    return [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]


def take_copy(event: QDropEvent) -> bool:
    """Accept what is dragged as a copy or a link; False when it may only be moved.

    Dragged inside one disk, file managers propose to move, and who hears that a file was moved away may delete it.
    """
    for action in (Qt.DropAction.CopyAction, Qt.DropAction.LinkAction):
        if event.possibleActions() & action:
            event.setDropAction(action)
            event.accept()
            return True
    return False


def _paint_dashes(painter: QPainter, theme: Theme, area: QRectF, token: str) -> None:
    pen = QPen(theme.color(token), theme.px(3) / 2)
    pen.setDashPattern([5, 3])
    painter.setPen(pen)
    radius = theme.px(RADIUS_COMPOSER)
    painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), radius, radius)


class DropZone(QWidget):
    """A dashed area that takes files and folders, with a button for those who do not drag."""

    dropped = Signal(list)
    choose_clicked = Signal()

    def __init__(
        self,
        theme: Theme,
        title: str,
        detail: str,
        *,
        icon: str = "folder-input",
        action: str = "Choose…",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._over = False
        self.setAcceptDrops(True)
        self.setAccessibleName(title)
        self.setAccessibleDescription(detail)
        self._row = QHBoxLayout(self)
        self._row.addStretch(1)
        self._row.addWidget(IconSpot(theme, icon, "accent", 24))
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(Label(theme, title, "title"))
        words.addWidget(Label(theme, detail, "ui", "text2"))
        self._row.addLayout(words)
        self.button = Button(theme, action)
        self.button.clicked.connect(self.choose_clicked)
        self._row.addWidget(self.button)
        self._row.addStretch(1)
        theme.changed.connect(self.retheme)
        self.retheme()

    @property
    def over(self) -> bool:
        """Whether something that can be dropped is held above it."""
        return self._over

    def _set_over(self, over: bool) -> None:
        self._over = over
        self.update()

    @Slot()
    def retheme(self) -> None:
        px = self._theme.px
        self._row.setContentsMargins(px(24), px(24), px(24), px(24))
        self._row.setSpacing(px(12))
        self.update()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_paths(event.mimeData()) and take_copy(event):
            self._set_over(True)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        take_copy(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._set_over(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._set_over(False)
        if take_copy(event):
            self.dropped.emit(dropped_paths(event.mimeData()))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        ground = "accent_subtle" if self._over else "bg_sunken"
        paint.box(painter, self.rect(), self._theme.px(RADIUS_COMPOSER), self._theme.color(ground))
        _paint_dashes(painter, self._theme, QRectF(self.rect()), "accent" if self._over else "border_control")


class DropOverlay(QWidget):
    """Covers `host` while files are dragged over it, and says what dropping them will do.

    It makes `host` accept drops; `suffixes` (like (".gguf",)) limits to files of those endings, () takes everything.
    """

    dropped = Signal(list)

    def __init__(self, theme: Theme, host: QWidget, sentence: str, suffixes: Sequence[str] = ()) -> None:
        super().__init__(host)
        self._theme = theme
        self._host = host
        self._suffixes = tuple(suffix.lower() for suffix in suffixes)
        self._sentence = sentence
        self.setAccessibleName(sentence)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        host.setAcceptDrops(True)
        host.installEventFilter(self)

    def set_sentence(self, sentence: str) -> None:
        """What dropping does where the user is now."""
        self._sentence = sentence
        self.setAccessibleName(sentence)

    def _wanted(self, mime: QMimeData) -> list[Path]:
        paths = dropped_paths(mime)
        return [path for path in paths if not self._suffixes or path.suffix.lower() in self._suffixes]

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QDropEvent) and event.type() in (QEvent.Type.DragEnter, QEvent.Type.DragMove):
            return self._dragged(event)
        if event.type() == QEvent.Type.DragLeave:
            self.hide()
        elif isinstance(event, QDropEvent) and event.type() == QEvent.Type.Drop:
            return self._drop(event)
        elif event.type() == QEvent.Type.Resize:
            self.setGeometry(self._host.rect())
        return False

    def _dragged(self, event: QDropEvent) -> bool:
        if not self._wanted(event.mimeData()) or not take_copy(event):
            return False
        self.setGeometry(self._host.rect())
        self.raise_()
        self.show()
        return True

    def _drop(self, event: QDropEvent) -> bool:
        self.hide()
        paths = self._wanted(event.mimeData())
        if not paths or not take_copy(event):
            return False
        self.dropped.emit(paths)
        return True

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        px = self._theme.px
        veil = self._theme.color("bg_surface")
        veil.setAlphaF(0.92)
        painter.fillRect(self.rect(), veil)
        _paint_dashes(painter, self._theme, QRectF(self.rect()).adjusted(px(16), px(16), -px(16), -px(16)), "accent")
        middle = self.rect().center()
        spot = QRectF(middle.x() - px(16), middle.y() - px(40), px(32), px(32))
        self._theme.paint_icon(painter, spot, "download", "accent")
        area = QRectF(px(24), middle.y(), self.width() - px(48), px(32))
        font = self._theme.font("heading")
        paint.text(painter, area, self._sentence, font, self._theme.color("text"), align=Qt.AlignmentFlag.AlignHCenter)
