"""The one style sheet: plain chrome that Qt draws itself. What is special paints itself (desktop/qt/components)."""

from collections.abc import Callable

from desktop.qt.tokens import RADIUS_BUTTON, Tokens


def style_sheet(tokens: Tokens, px: Callable[[float], int]) -> str:
    """The style sheet of a colour scheme; `px` turns lengths at 100 % into lengths at the zoom in force.

    Selectors are by type only: each rule is tried on every widget of a window, so there are few.
    """
    return "\n".join((_menus(tokens, px), _scroll_bars(tokens, px), _views(tokens, px), _fields(tokens, px)))


def _menus(t: Tokens, px: Callable[[float], int]) -> str:
    return f"""
QToolTip {{ background: {t.bg_raised}; color: {t.text}; border: 1px solid {t.border_strong};
  padding: {px(4)}px {px(6)}px; }}
QMenu {{ background: {t.bg_raised}; color: {t.text}; border: 1px solid {t.border_strong}; padding: {px(4)}px; }}
QMenu::item {{ padding: {px(6)}px {px(24)}px {px(6)}px {px(8)}px; border-radius: {px(RADIUS_BUTTON)}px; }}
QMenu::item:selected {{ background: {t.bg_selected}; }}
QMenu::item:disabled {{ color: {t.text_disabled}; }}
QMenu::icon {{ padding-left: {px(8)}px; }}
QMenu::separator {{ height: 1px; background: {t.border}; margin: {px(4)}px {px(8)}px; }}
"""


def _scroll_bars(t: Tokens, px: Callable[[float], int]) -> str:
    radius = px(3)
    return f"""
QScrollBar {{ background: transparent; border: none; }}
QScrollBar:vertical {{ width: {px(10)}px; }}
QScrollBar:horizontal {{ height: {px(10)}px; }}
QScrollBar::handle {{ background: {t.border_strong}; border-radius: {radius}px; margin: {px(2)}px; }}
QScrollBar::handle:vertical {{ min-height: {px(32)}px; }}
QScrollBar::handle:horizontal {{ min-width: {px(32)}px; }}
QScrollBar::handle:hover, QScrollBar::handle:pressed {{ background: {t.border_control}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QSplitter::handle {{ background: {t.border}; }}
"""


def _views(t: Tokens, px: Callable[[float], int]) -> str:
    return f"""
QAbstractScrollArea {{ border: none; }}
QHeaderView {{ background: transparent; }}
QHeaderView::section {{ background: transparent; color: {t.text2}; border: none;
  border-bottom: 1px solid {t.border_strong}; padding: {px(6)}px {px(4)}px; font-weight: 500; }}
QTableView, QTreeView, QListView {{ background: transparent; selection-background-color: {t.bg_selected};
  selection-color: {t.text}; outline: none; }}
"""


def _fields(t: Tokens, px: Callable[[float], int]) -> str:
    # Fields paint their own box; the text in it must not paint a ground over that.
    return f"""
QLineEdit {{ background: transparent; border: none; padding: 0; }}
QComboBox {{ background: {t.bg_input}; color: {t.text}; border: 1px solid {t.border_control};
  border-radius: {px(RADIUS_BUTTON)}px; padding: 0 {px(8)}px; min-height: {px(26)}px; }}
QComboBox:disabled {{ color: {t.text_disabled}; border-color: {t.border}; }}
QComboBox QAbstractItemView {{ background: {t.bg_raised}; border: 1px solid {t.border_strong}; }}
"""
