"""The program's icon for title bars and trays."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap

from desktop.qt.rail import paint_mark
from desktop.qt.theme import Theme


def window_icon(theme: Theme) -> QIcon:
    """The program's icon, drawn at the sizes that title bars and trays ask for."""
    icon = QIcon()
    for side in (16, 22, 32, 48, 64, 128):
        pixmap = QPixmap(side, side)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        paint_mark(painter, QRectF(0, 0, side, side), theme)
        painter.end()
        icon.addPixmap(pixmap)
    return icon
