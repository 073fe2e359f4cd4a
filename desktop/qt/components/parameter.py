"""Numbers to set: a number field, a slider, and the row that joins both for one parameter of an answer."""

from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QShowEvent, QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QGridLayout, QSizePolicy, QSlider, QStyle, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import IconButton
from desktop.qt.components.label import Label
from desktop.qt.focus_ring import give_ring
from desktop.qt.theme import Theme
from desktop.qt.tokens import BUTTON_SMALL, RADIUS_BUTTON, TARGET_MIN

KNOB = 14
TRACK = 4


class NumberField(QDoubleSpinBox):
    """A number with limits. Up and Down step it; the wheel too, but only in focus, so scrolling past is safe."""

    def __init__(self, theme: Theme, name: str, *, decimals: int = 0, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName(name)
        self.setDecimals(decimals)
        self.setFrame(False)
        self.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setKeyboardTracking(False)
        give_ring(self, RADIUS_BUTTON)
        theme.changed.connect(self.retheme)
        self.retheme()

    @Slot()
    def retheme(self) -> None:
        self.setFont(self._theme.font())
        self.setFixedHeight(self._theme.px(BUTTON_SMALL))
        inner = self.lineEdit()
        inner.setFont(self._theme.font())  # the style sheet keeps it from inheriting another one
        inner.setTextMargins(self._theme.px(6), 0, self._theme.px(6), 0)
        palette = inner.palette()
        palette.setColor(QPalette.ColorRole.Base, QColor(Qt.GlobalColor.transparent))
        inner.setPalette(palette)
        self.update()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.retheme()  # the style sheet's polish, just before, gave the inner field an opaque ground again

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        enabled = self.isEnabled()
        ground = self._theme.color("bg_input" if enabled else "bg_sunken")
        edge = paint.field_border(self._theme, enabled=enabled)
        paint.box(painter, self.rect(), self._theme.px(RADIUS_BUTTON), ground, edge)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class Slider(QSlider):
    """A horizontal slider that goes to where it is clicked."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._theme = theme
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        give_ring(self, RADIUS_BUTTON)
        theme.changed.connect(self.retheme)

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(120), self._theme.px(TARGET_MIN))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(48), self._theme.px(TARGET_MIN))

    def _span(self) -> int:
        return max(1, self.width() - self._theme.px(KNOB))

    def _go_to(self, x: float) -> None:
        at = round(x - self._theme.px(KNOB) / 2)
        self.setValue(QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), at, self._span()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._go_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self._go_to(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.setSliderDown(False)
        self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        px, color, enabled = self._theme.px, self._theme.color, self.isEnabled()
        knob, track = px(KNOB), px(TRACK)
        at = QStyle.sliderPositionFromValue(self.minimum(), self.maximum(), self.value(), self._span())
        x, y = at + knob / 2, self.height() / 2
        line = QRectF(0, y - track / 2, self.width(), track)
        token = "accent" if enabled else "text_disabled"
        paint.bar(painter, line, x / max(1, self.width()), color(token), color("border_strong"))
        active = enabled and (self.underMouse() or self.isSliderDown())
        paint.disc(painter, x, y, knob / 2, color("accent_hover" if active else token))
        paint.disc(painter, x, y, knob / 2 - px(3), color("bg_raised"))


class Parameter(QWidget):
    """One named number: words, field, slider, and a way back to the default. `value_changed(float)` for any change."""

    value_changed = Signal(float)

    def __init__(
        self,
        theme: Theme,
        name: str,
        *,
        minimum: float,
        maximum: float,
        step: float,
        default: float,
        decimals: int = 2,
        help_text: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._step = step
        self._default = default
        self.field = NumberField(theme, name, decimals=decimals)
        self.field.setRange(minimum, maximum)
        self.field.setSingleStep(step)
        self.slider = Slider(theme, f"{name}, slider")
        self.slider.setRange(0, round((maximum - minimum) / step))
        self.reset = IconButton(theme, "undo-2", f"Set {name} to {default:g} again", size=TARGET_MIN, icon_size=14)
        self.setToolTip(help_text)
        self._lay_out(name)
        self.field.valueChanged.connect(self._field_changed)
        self.slider.valueChanged.connect(self._slider_changed)
        self.reset.clicked.connect(self._reset)
        self.field.setValue(default)
        self._field_changed(default)
        theme.changed.connect(self.retheme)
        self.retheme()

    def _lay_out(self, name: str) -> None:
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.addWidget(Label(self._theme, name, "ui", "text2"), 0, 0)
        self._grid.addWidget(self.reset, 0, 1)
        self._grid.addWidget(self.field, 0, 2)
        self._grid.addWidget(self.slider, 1, 0, 1, 3)
        self._grid.setColumnStretch(0, 1)

    @property
    def value(self) -> float:
        return self.field.value()

    def set_value(self, value: float) -> None:
        """Set the number, kept within its limits; emits `value_changed` when it is another."""
        self.field.setValue(value)

    @Slot()
    def retheme(self) -> None:
        self._grid.setHorizontalSpacing(self._theme.px(4))
        self._grid.setVerticalSpacing(self._theme.px(4))
        self.field.setFixedWidth(self._theme.px(84))

    @Slot(float)
    def _field_changed(self, value: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(round((value - self.field.minimum()) / self._step))
        self.slider.update()
        # Kept in the layout when there is nothing to reset, so that the row does not jump.
        self.reset.setEnabled(abs(value - self._default) > self._step / 100)
        self.value_changed.emit(value)

    @Slot(int)
    def _slider_changed(self, steps: int) -> None:
        self.field.setValue(self.field.minimum() + steps * self._step)

    @Slot()
    def _reset(self) -> None:
        self.field.setValue(self._default)
