"""Walks what a screen reader sees of a window."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QAbstractSlider, QLineEdit, QScrollBar, QWidget

OPERABLE = (QAbstractButton, QAbstractSlider, QLineEdit)


def accessible(widget: QWidget) -> QAccessibleInterface:
    """What a screen reader is given for a widget."""
    found = QAccessible.queryAccessibleInterface(widget)
    assert found is not None, widget
    return found


def name_of(widget: QWidget) -> str:
    """The name a screen reader says."""
    return str(accessible(widget).text(QAccessible.Text.Name))


def role_of(widget: QWidget) -> QAccessible.Role:
    return accessible(widget).role()


def operable(root: QWidget) -> Iterator[QWidget]:
    """Visible widgets below `root` that can be operated: what Tab reaches, and everything to press."""
    for widget in (root, *root.findChildren(QWidget)):
        inner = isinstance(widget.parentWidget(), QAbstractScrollArea) or widget.objectName() == "qt_spinbox_lineedit"
        if not widget.isVisible() or isinstance(widget, QScrollBar) or inner:
            continue
        reached = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
        if reached or isinstance(widget, OPERABLE):
            yield widget


def unnamed(root: QWidget) -> list[str]:
    """Operable widgets without a name, as a screen reader would leave them out."""
    return [repr(widget) for widget in operable(root) if not name_of(widget).strip()]


def too_small(root: QWidget, least: int = 24) -> list[str]:
    """Operable widgets that are smaller than a target may be."""
    return [f"{w!r} {w.size()}" for w in operable(root) if w.width() < least or w.height() < least]
