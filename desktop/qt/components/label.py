"""Text that is only read: never markup, whatever it holds."""

from html import escape

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QShowEvent
from PySide6.QtWidgets import QLabel, QWidget

from desktop.qt.components import paint
from desktop.qt.theme import Theme


def plain_tooltip(text: str) -> str:
    """A tooltip that shows `text` as it is: Qt would read what looks like markup as markup."""
    return f"<span>{escape(text)}</span>" if "<" in text else text


class Label(QLabel):
    """Plain text in a text style (TEXT_STYLES) and a colour token; `wrap` lets it run over several lines."""

    def __init__(
        self,
        theme: Theme,
        text: str = "",
        style: str = "ui",
        token: str = "text",
        *,
        weight: int = 0,
        mono: bool = False,
        wrap: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._style = style
        self._token = token
        self._weight = weight
        self._mono = mono
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wrap)
        self.setText(text)
        theme.changed.connect(self.retheme)
        self.retheme()

    def set_token(self, token: str) -> None:
        """Show the text in another colour."""
        if token != self._token:
            self._token = token
            self.retheme()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        # Measured while hidden, then rethemed: the style sheet's polish, just before, put the old colour back.
        if self.palette().color(QPalette.ColorRole.WindowText) != self._theme.color(self._token):
            self.retheme()

    @Slot()
    def retheme(self) -> None:
        self.setFont(self._theme.font(self._style, weight=self._weight, mono=self._mono))
        palette = self.palette()
        for group in (QPalette.ColorGroup.Active, QPalette.ColorGroup.Inactive):
            palette.setColor(group, QPalette.ColorRole.WindowText, self._theme.color(self._token))
        palette.setColor(
            QPalette.ColorGroup.Disabled, QPalette.ColorRole.WindowText, self._theme.color("text_disabled")
        )
        self.setPalette(palette)
        if not self.wordWrap():
            self.setMinimumHeight(self._theme.line_height(self._style))


class ElidedLabel(Label):
    """One line that gives way: too long, it ends in an ellipsis and shows all in its tooltip."""

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(24), super().minimumSizeHint().height())

    def setText(self, text: str) -> None:
        super().setText(text)
        self.setAccessibleName(text)
        self.setToolTip("")

    def paintEvent(self, event: QPaintEvent) -> None:
        words = self.text()
        cut = paint.text_width(words, self.font()) > self.width()
        wanted = plain_tooltip(words) if cut else ""  # set here because only here the width is known
        if self.toolTip() != wanted:
            self.setToolTip(wanted)
        token = self._token if self.isEnabled() else "text_disabled"
        paint.text(QPainter(self), self.rect(), words, self.font(), self._theme.color(token))
