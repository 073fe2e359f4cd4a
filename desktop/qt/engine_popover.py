"""Behind the engine's state in the status bar: what runs, the proof's checks, the last log lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import Button
from desktop.qt.components.label import Label
from desktop.qt.components.states import IconSpot
from desktop.qt.model_words import state_of, title_of
from desktop.qt.overlay import Overlay
from desktop.qt.store import Store
from desktop.qt.surface import clear, column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import DoctorReport

WIDTH = 520
LOG_LINES = 200


class EnginePopover(Overlay):
    """Asks the service each time it opens; "Prove again" runs the proof anew."""

    def __init__(self, theme: Theme, host: QWidget, bridge: Bridge, store: Store) -> None:
        super().__init__(theme, host, "Engine")
        self._bridge = bridge
        self._store = store
        self._build = Label(theme, "", "ui", "text2", wrap=True)
        self._note = Label(theme, "", "small", "text2", wrap=True)
        self._checks = column(gap=4)
        self._log = LogView(theme)
        self._log_of = Label(theme, "", "small", "text2")
        self._prove = Button(theme, "Prove again", icon="shield-check", small=True)
        self._reconnect = Button(theme, "Connect now", icon="refresh-cw", small=True)
        self._lay_out()
        self._prove.clicked.connect(self._prove_again)
        self._reconnect.clicked.connect(bridge.retry)
        bridge.link_changed.connect(lambda _link: self.refresh() if self.isVisible() else None)

    def show_at(self, anchor: QWidget) -> None:
        self.refresh()
        self.open_at(anchor, WIDTH, above=True)

    def refresh(self) -> None:
        """Ask for everything shown here."""
        link, status = self._bridge.link, self._store.status
        online = link.phase == "online"
        self._reconnect.setVisible(not online)
        self._reconnect.set_text("Start again" if link.phase == "stopped" else "Connect now")
        self._prove.setEnabled(online)
        if not online or status is None:
            failure = link.failure
            self._build.setText(failure.message if failure else "The service is starting.")
            self._say(failure.hint if failure else "")
            return
        engine = status.engine
        proven = "proven on this computer" if engine.proven else "not proven"
        self._build.setText(f"{engine.build or 'No engine is built'}, {engine.backend}, {proven}")
        self._say(engine.reason)
        self._bridge.call(lambda client: client.doctor(), self._show_report, self._failed, owner=self)
        self._ask_log()

    def _ask_log(self) -> None:
        running = [model for model in self._store.models.values() if model.state not in ("unloaded",)]
        self._log.setVisible(bool(running))
        self._log_of.setVisible(bool(running))
        if not running:
            return
        model = running[0]
        self._log_of.setText(f"Log of {title_of(model)} ({state_of(model).lower()})")
        self._bridge.call(
            lambda client: client.model_log(model.id),
            self._log.show_lines,
            lambda _failure: self._log.show_lines([]),
            owner=self,
        )

    def _prove_again(self) -> None:
        self._prove.setEnabled(False)
        self._say("The proof is running: a tiny model is loaded, decoded and embedded. This takes up to a minute.")
        self._bridge.call(lambda client: client.prove(), self._proved, self._failed, owner=self)

    def _proved(self, report: DoctorReport) -> None:
        self._say("The proof passed." if report.ok else "The proof failed; the check that failed says why.")
        self._show_report(report)

    def _show_report(self, report: DoctorReport) -> None:
        self._prove.setEnabled(True)
        clear(self._checks)
        for check in report.checks:
            line = QWidget()
            layout = row(line, gap=8)
            sign = ("circle-check", "success") if check.ok else ("circle-x", "danger")
            layout.addWidget(IconSpot(self.theme, sign[0], sign[1], 16), 0, Qt.AlignmentFlag.AlignTop)
            words = f"{check.name}: {check.detail}" + (f" {check.hint}" if check.hint and not check.ok else "")
            layout.addWidget(Label(self.theme, words, "small", "text" if check.ok else "danger", wrap=True), 1)
            line.setAccessibleName(f"{'Passed' if check.ok else 'Failed'}: {check.name}")
            self._checks.addWidget(line)

    def _failed(self, failure: Failure) -> None:
        self._prove.setEnabled(True)
        self._say(f"{failure.message} {failure.hint}".strip())

    def _say(self, text: str) -> None:
        self._note.setText(text)
        self._note.setVisible(bool(text))

    def _lay_out(self) -> None:
        inside = column(margins=(16, 14, 16, 14), gap=8)
        inside.addWidget(Label(self.theme, "Engine", "title"))
        inside.addWidget(self._build)
        inside.addWidget(self._note)
        inside.addLayout(self._checks)
        inside.addWidget(self._log_of)
        inside.addWidget(self._log)
        foot = row(gap=8)
        foot.addWidget(self._prove)
        foot.addWidget(self._reconnect)
        foot.addStretch(1)
        inside.addLayout(foot)
        self.panel.content.addLayout(inside)


class LogView(QPlainTextEdit):
    """The last lines of a child, read-only, newest at the end."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setReadOnly(True)
        self.setAccessibleName("Log")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setTabChangesFocus(True)
        self.setMaximumBlockCount(LOG_LINES)
        theme.changed.connect(self._restyle)
        self._restyle()

    def show_lines(self, lines: list[str]) -> None:
        self.setPlainText("\n".join(lines[-LOG_LINES:]) or "No lines yet.")
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def _restyle(self) -> None:
        self.setFont(self._theme.font("code"))
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, self._theme.color("bg_sunken"))
        palette.setColor(QPalette.ColorRole.Text, self._theme.color("code_text"))
        self.setPalette(palette)
        self.setFixedHeight(self._theme.px(150))
