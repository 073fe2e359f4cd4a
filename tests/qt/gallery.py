"""All components in their states on one sheet, light and dark: `python -m tests.qt.gallery FOLDER` writes pictures."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from math import sin
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QApplication, QGridLayout, QHBoxLayout, QLayout, QVBoxLayout, QWidget

from desktop.qt.components.button import Button, IconButton, Kind
from desktop.qt.components.card import Card
from desktop.qt.components.chip import Chip, RemovableChip, Tone
from desktop.qt.components.command_palette import CommandPalette, PaletteRow
from desktop.qt.components.drop import DropZone
from desktop.qt.components.field import Field, SearchField
from desktop.qt.components.gauges import ContextRing, ProgressBar, RingGauge, Sparkline, StatusDot
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.model_pill import ModelPill
from desktop.qt.components.notice import Notice
from desktop.qt.components.parameter import Parameter
from desktop.qt.components.rows import RowList, RowRole
from desktop.qt.components.segmented import Segmented
from desktop.qt.components.states import EmptyState, Skeleton
from desktop.qt.components.status import Meter, StatusItem
from desktop.qt.components.toast import Toast
from desktop.qt.components.toggle import Toggle
from desktop.qt.theme import Theme
from desktop.qt.tokens import LIST


def row(*widgets: QWidget) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setSpacing(12)
    for widget in widgets:
        line.addWidget(widget)
    line.addStretch(1)
    return line


def off(widget: QWidget) -> QWidget:
    widget.setEnabled(False)
    return widget


def buttons(theme: Theme) -> Sequence[QLayout | QWidget]:
    kinds: tuple[Kind, ...] = ("primary", "outline", "ghost", "danger")
    pinned = IconButton(theme, "panel-right", "Inspector", keys="Ctrl+I")
    pinned.setCheckable(True)
    pinned.setChecked(True)
    pressed = Button(theme, "Pressed")
    pressed.setDown(True)
    return (
        row(*(Button(theme, kind.title(), kind, icon="play") for kind in kinds), pressed),
        row(*(off(Button(theme, kind.title(), kind, icon="play")) for kind in kinds)),
        row(
            Button(theme, "Up to 10 GB", trailing_icon="chevron-down"),
            Button(theme, "Small & plain", small=True),
            IconButton(theme, "search", "Search"),
            pinned,
            IconButton(theme, "arrow-up", "Send", "primary"),
            off(IconButton(theme, "arrow-up", "Send", "primary")),
            off(IconButton(theme, "search", "Search")),
        ),
    )


def fields(theme: Theme) -> Sequence[QLayout | QWidget]:
    wrong = Field(theme, "Port", mono=True)
    wrong.setText("70000")
    wrong.set_error("A port is a number from 1024 to 65535.")
    full = SearchField(theme, "Search chats", "Search chats", keys="Ctrl K")
    full.setText("sqlite")
    return (
        row(SearchField(theme, "Search chats", "Search chats", keys="Ctrl K"), full),
        row(Field(theme, "Name", "Name of the key"), wrong, off(Field(theme, "Name", "Not now"))),
    )


def choices(theme: Theme) -> Sequence[QLayout | QWidget]:
    on, disabled_on = Toggle(theme, "Hybrid"), Toggle(theme, "Not now")
    on.setChecked(True)
    disabled_on.setChecked(True)
    off(disabled_on)
    heat = Parameter(
        theme, "Temperature", minimum=0, maximum=2, step=0.05, default=0.8, help_text="Higher is more varied."
    )
    heat.set_value(1.2)
    return (
        row(
            Segmented(theme, "Inspector", ("Sources", "Why", "Parameters")),
            off(Segmented(theme, "Off", ("All", "Some"))),
        ),
        row(on, Toggle(theme, "Keyword"), off(Toggle(theme, "Off")), disabled_on),
        heat,
    )


def chips(theme: Theme) -> Sequence[QLayout | QWidget]:
    tones: tuple[tuple[Tone, str], ...] = (
        ("success", "check"),
        ("warning", "triangle-alert"),
        ("danger", "circle-alert"),
        ("cloud", "cloud"),
    )
    pill, loading = ModelPill(theme, keys="Ctrl+M"), ModelPill(theme)
    pill.set_model("Qwen2.5-Coder 7B", "Q4_K_M", "ready")
    loading.set_model("Llama 3.2 3B Instruct", "Q8_0", "loading", 0.4)
    return (
        row(
            Chip(theme, "Code"),
            Chip(theme, "Q4_K_M", mono=True),
            *(Chip(theme, t.title(), t, icon=i) for t, i in tones),
        ),
        row(
            RemovableChip(theme, "backend-repo", "accent", icon="library"),
            RemovableChip(theme, "transcript.py", icon="file-code"),
            off(Chip(theme, "Off")),
        ),
        row(pill, loading, ModelPill(theme)),
    )


def gauges(theme: Theme) -> Sequence[QLayout | QWidget]:
    done, unknown = ProgressBar(theme, "Download"), ProgressBar(theme, "Scan")
    done.set_fraction(0.49)
    unknown.set_fraction(None)
    ring, tight, over = ContextRing(theme), ContextRing(theme), RingGauge(theme, "Share", diameter=20)
    ring.set_tokens(3412, 8192)
    tight.set_tokens(7400, 8192)
    over.set_value(1.1, "too much")
    line = Sparkline(theme, "Tokens per second")
    line.set_values([30 + 10 * sin(i / 5) for i in range(60)])
    ram, cpu = Meter(theme, "RAM"), Meter(theme, "CPU")
    ram.set_share(0.34, "5.4 of 16 GB")
    cpu.set_share(0.95, "8 threads")
    ready = StatusItem(theme, "Engine", dot="success", token="text", pressable=True)
    ready.set_words("Engine ready")
    local = StatusItem(theme, "Privacy", icon="lock", token="accent")
    local.set_words("Local only")
    cloud = StatusItem(theme, "Privacy", icon="cloud", token="cloud")
    cloud.set_words("Cloud on: example.org")
    dots = [StatusDot(theme, token, token) for token in ("success", "warning", "danger")]
    return (done, unknown, row(ring, tight, over, *dots), line, row(ready, ram, cpu), row(local, cloud))


def notices(theme: Theme) -> Sequence[QLayout | QWidget]:
    return (
        Notice(theme, "info", "The model is loading. You can write meanwhile."),
        Notice(
            theme, "warning", "This fits tightly: 10.2 of 16 GB.", hint="Close other programs first.", action="Anyway"
        ),
        Notice(
            theme,
            "error",
            "The engine stopped while it loaded this model, and it did so twice within a minute.",
            hint="Choose a smaller quantization or a shorter context.",
            action="Try again",
            details="error: out of memory",
            closable=True,
        ),
        Toast(theme, "Chat deleted", "Undo", 6000, None),
    )


def row_model() -> QStandardItemModel:
    model = QStandardItemModel()
    for title, detail, trailing, icon, section in (
        ("Today", "", "", "", True),
        ("Stall while a long answer streams, and why that is so", "", "14:32", "", False),
        ("Release checklist 0.4", "", "11:07", "pin", False),
        ("backend-repo", "212 files, 1,204 chunks", "9 MB", "library", False),
    ):
        item = QStandardItem(title)
        for role, value in (
            (RowRole.DETAIL, detail),
            (RowRole.TRAILING, trailing),
            (RowRole.ICON, icon),
            (RowRole.SECTION, section),
        ):
            item.setData(value, role)
        item.setData(title, Qt.ItemDataRole.AccessibleTextRole)
        if section:
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        model.appendRow(item)
    return model


def rows(theme: Theme) -> Sequence[QLayout | QWidget]:
    model = row_model()
    view = RowList(theme, "Chats", model)
    model.setParent(view)
    view.setCurrentIndex(model.index(1, 0))
    view.setFixedSize(LIST, 160)
    skeleton = Skeleton(theme, 4, delay_ms=0)
    skeleton.setFixedWidth(220)
    return (row(view, skeleton),)


def cards(theme: Theme) -> Sequence[QLayout | QWidget]:
    plain, chosen = Card(theme, name="Gemma"), Card(theme, name="Qwen", clickable=True)
    chosen.set_selected(True)
    for card, name in ((plain, "Gemma 3 4B"), (chosen, "Qwen2.5-Coder 14B Instruct")):
        card.content.addWidget(Label(theme, name, "title"))
        card.content.addWidget(ElidedLabel(theme, "Small all-rounder, good at summaries of long texts.", "ui", "text2"))
        card.setFixedWidth(260)
    return (
        row(plain, chosen),
        DropZone(theme, "Drop files or folders here", "PDF, Markdown, code. They stay on this computer."),
        EmptyState(
            theme, "No chats yet. What you ask stays on this computer.", icon="message-square", action="New chat"
        ),
    )


def text_styles(theme: Theme) -> Sequence[QLayout | QWidget]:
    styles = ("display", "heading", "title", "reading", "label", "ui", "small", "meta", "code")
    return tuple(Label(theme, f"{style}: 0123456789 <| Hamburgefonstiv", style) for style in styles)


def sheet(theme: Theme) -> QWidget:
    """A window with all components."""
    page = QWidget()
    grid = QGridLayout(page)
    grid.setContentsMargins(24, 24, 24, 24)
    grid.setHorizontalSpacing(48)
    grid.setVerticalSpacing(24)
    parts = (buttons, fields, choices, chips, gauges, notices, rows, cards, text_styles)
    for number, part in enumerate(parts):
        column = QVBoxLayout()
        column.setSpacing(12)
        for piece in part(theme):
            if isinstance(piece, QLayout):
                column.addLayout(piece)
            else:
                column.addWidget(piece)
        column.addStretch(1)
        grid.addLayout(column, number // 2, number % 2)
    page.resize(1240, 1500)
    return page


def palette(theme: Theme, host: QWidget) -> CommandPalette:
    """The palette over a window, open, with a few rows."""
    frame = CommandPalette(theme, host)
    found = (
        PaletteRow("new", "New chat", "Chat", "Ctrl+N", "square-pen"),
        PaletteRow("model", "Change model", "Chat", "Ctrl+M", "box"),
        PaletteRow("list", "Show or hide the list", "View", "Ctrl+B", "panel-left"),
        PaletteRow("c1", "Release checklist 0.4", "Chats", "", "message-square", "yesterday, 12 messages"),
    )
    frame.open(lambda query: [r for r in found if query.lower() in r.title.lower()])
    return frame


def picture(widget: QWidget, scale: float = 1.0) -> QPixmap:
    """What the widget looks like at a scale."""
    image = QPixmap((widget.size() * scale).expandedTo(widget.size()))
    image.setDevicePixelRatio(scale)
    widget.render(image)
    return image


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    app = QApplication(sys.argv[:1])
    theme = Theme(app, "light")
    for mode in ("light", "dark"):
        theme.set_mode(mode)
        page = sheet(theme)
        page.show()
        page.activateWindow()
        page.findChildren(SearchField)[0].setFocus()
        app.processEvents()
        picture(page, 1.5).save(str(folder / f"components-{mode}.png"))
        host = QWidget()
        host.resize(760, 460)
        host.show()
        palette(theme, host)
        app.processEvents()
        picture(host, 1.5).save(str(folder / f"palette-{mode}.png"))


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "gallery"))
