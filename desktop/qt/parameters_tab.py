"""The inspector's Parameters: system prompt and sampling of the chat in view; kept with it, sent only when set."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QRectF, Qt, QTimer
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QFrame, QGridLayout, QPlainTextEdit, QScrollArea, QVBoxLayout, QWidget

from desktop.qt.adapters.chat_box import ChatAdapters
from desktop.qt.components import paint
from desktop.qt.components.button import Button
from desktop.qt.components.field import Field
from desktop.qt.components.label import Label
from desktop.qt.conversation import Conversation
from desktop.qt.focus_ring import give_ring
from desktop.qt.parameter_rules import PARAMETERS, NotInRange, Parameter, parse, parse_stops, shown, shown_stops
from desktop.qt.surface import column, make_scroll, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_BUTTON

SAVE_AFTER_MS = 500


class ParametersTab(QScrollArea):
    """Edits the conversation given to `show_chat`; what is typed is saved shortly after, and when the chat changes."""

    def __init__(self, theme: Theme, adapters: ChatAdapters) -> None:
        super().__init__()
        self._theme = theme
        self._conversation: Conversation | None = None
        self._filling = False
        self._adapter_uses: list[dict[str, Any]] | None = None
        self.adapters = adapters
        self.fields: dict[str, Field] = {}
        self.system_prompt = TextBox(theme, "System prompt", "None: the model's own", lines=5)
        self.stops = TextBox(theme, "Stop sequences", "None. One per line", lines=2)
        self.problem = Label(theme, "", "small", "danger", wrap=True)
        self.reset = Button(theme, "Reset to the model's defaults", icon="undo-2", small=True)
        self._timer = QTimer(self, singleShot=True, interval=SAVE_AFTER_MS)
        self._timer.timeout.connect(self.save)
        self._lay_out()
        self.system_prompt.textChanged.connect(self._edited)
        self.stops.textChanged.connect(self._edited)
        self.reset.clicked.connect(self._reset)
        adapters.changed.connect(self._adapters_changed)

    def show_chat(self, conversation: Conversation) -> None:
        """Show the values of this chat; unsaved ones of the last chat are saved to it first."""
        if conversation is not self._conversation:
            self.save()
            if self._conversation is not None:
                self._conversation.changed.disconnect(self._fill)
            self._conversation = conversation
            conversation.changed.connect(self._fill)
        self._fill()

    def save(self) -> None:
        """Save what is typed now, if it is valid and differs."""
        self._timer.stop()
        conversation = self._conversation
        values = self._values()
        if conversation is None or values is None:
            return
        changes: dict[str, Any] = {}
        prompt = self.system_prompt.toPlainText().strip()
        if prompt != conversation.system_prompt:
            changes["system_prompt"] = prompt
        if values != conversation.parameters:
            changes["parameters"] = values
        if changes:
            conversation.patch(changes)

    def _values(self) -> dict[str, Any] | None:
        """What is set, or None while something typed is not valid; the field then says so."""
        values: dict[str, Any] = {} if self._adapter_uses is None else {"adapters": self._adapter_uses}
        problem = ""
        for parameter in PARAMETERS:
            field = self.fields[parameter.name]
            try:
                value = parse(parameter, field.text())
                field.set_error("")
                if value is not None:
                    values[parameter.name] = value
            except NotInRange as error:
                field.set_error(str(error))
                problem = problem or str(error)
        try:
            if stops := parse_stops(self.stops.toPlainText()):
                values["stop"] = stops
        except NotInRange as error:
            problem = problem or str(error)
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.reset.setEnabled(bool(values) or bool(problem))
        return None if problem else values

    def _fill(self) -> None:
        conversation = self._conversation
        if conversation is None or self._timer.isActive():
            return
        self._filling = True
        values = conversation.parameters
        for name, field in self.fields.items():
            _set_if_new(field, shown(values.get(name)))
        self._adapter_uses = values.get("adapters")
        self.adapters.show_chat(conversation.model, self._adapter_uses)
        if self.stops.toPlainText() != (stops := shown_stops(values.get("stop"))):
            self.stops.setPlainText(stops)
        if self.system_prompt.toPlainText().strip() != conversation.system_prompt:
            self.system_prompt.setPlainText(conversation.system_prompt)
        self._filling = False
        self._values()

    def _edited(self) -> None:
        if not self._filling:
            self._timer.start()

    def _adapters_changed(self, uses: list[dict[str, Any]]) -> None:
        self._adapter_uses = uses
        self.save()

    def _reset(self) -> None:
        self._adapter_uses = None
        for field in self.fields.values():
            field.clear()
        self.stops.clear()
        self.save()

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = column(inside, margins=(16, 4, 16, 16), gap=6)
        layout.addWidget(Label(self._theme, "System prompt", "label"))
        layout.addWidget(self.system_prompt)
        layout.addSpacing(10)
        layout.addWidget(Label(self._theme, "Sampling", "label"))
        layout.addWidget(
            Label(
                self._theme,
                "Only what you set is sent. An empty field leaves it to the engine.",
                "small",
                "text3",
                wrap=True,
            )
        )
        self._add_numbers(layout)
        layout.addSpacing(4)
        layout.addWidget(Label(self._theme, "Stop sequences", "ui", "text2"))
        layout.addWidget(self.stops)
        layout.addWidget(self.problem)
        self.problem.setVisible(False)
        layout.addSpacing(10)
        layout.addWidget(self.adapters)
        foot = row()
        foot.addWidget(self.reset)
        foot.addStretch(1)
        layout.addLayout(foot)
        layout.addStretch(1)
        make_scroll(self, inside)

    def _add_numbers(self, layout: QVBoxLayout) -> None:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(6)
        for line, parameter in enumerate(PARAMETERS):
            label = Label(self._theme, parameter.title, "ui", "text2")
            label.setToolTip(parameter.help)
            grid.addWidget(label, line, 0)
            grid.addWidget(self._number(parameter), line, 1)
        grid.setColumnStretch(0, 1)
        layout.addLayout(grid)

    def _number(self, parameter: Parameter) -> Field:
        field = Field(self._theme, parameter.title, "default")
        field.setToolTip(parameter.help)
        field.setFixedWidth(self._theme.px(116))
        field.textEdited.connect(self._edited)
        field.editingFinished.connect(self.save)
        self.fields[parameter.name] = field
        return field


class TextBox(QPlainTextEdit):
    """A field of several lines with the look of Field."""

    def __init__(self, theme: Theme, name: str, hint: str, *, lines: int) -> None:
        super().__init__()
        self._theme = theme
        self._lines = lines
        self.setAccessibleName(name)
        self.setPlaceholderText(hint)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        give_ring(self, RADIUS_BUTTON)
        theme.changed.connect(self._restyle)
        self._restyle()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self.viewport()))
        theme = self._theme
        border = paint.field_border(theme, enabled=self.isEnabled())
        box = QRectF(self.viewport().rect())
        paint.box(painter, box, theme.px(RADIUS_BUTTON), theme.color("bg_input"), border)
        painter.end()
        super().paintEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        self.viewport().update()

    def _restyle(self) -> None:
        font = self._theme.font("ui")
        self.setFont(font)
        self.viewport().setFont(font)  # what stands in the empty box is painted with this one
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.transparent)
        palette.setColor(QPalette.ColorRole.Text, self._theme.color("text"))
        palette.setColor(QPalette.ColorRole.PlaceholderText, self._theme.color("text3"))
        self.setPalette(palette)
        self.document().setDocumentMargin(self._theme.px(8))
        self.setFixedHeight(self._lines * self._theme.line_height("ui") + 2 * self._theme.px(8))


def _set_if_new(field: Field, text: str) -> None:
    if field.text() != text and not field.hasFocus():
        field.setText(text)
