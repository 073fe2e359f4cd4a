"""The Why view over the window: what led to these passages, run again with other settings, saved as a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge, Call, Failure
from desktop.qt.components.button import IconButton
from desktop.qt.components.label import ElidedLabel
from desktop.qt.components.notice import Notice
from desktop.qt.files.retrieval import Wish
from desktop.qt.files.why_report import WhyReport
from desktop.qt.files.why_settings import WhySettings
from desktop.qt.files.why_words import expected_of
from desktop.qt.overlay import Overlay
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.client import Client
    from desktop.wire_files import CandidateRow, Check, SearchResult, Why

WIDTH = 1080
HEIGHT = 720


class WhyPanel(Overlay):
    """Opens with `show_wish` for a search, with `show_id` for an answer. `preview_asked(SearchResult)`."""

    preview_asked = Signal(object)

    def __init__(self, theme: Theme, host: QWidget, bridge: Bridge) -> None:
        super().__init__(theme, host, "Why these passages", dim=True)
        self._bridge = bridge
        self._call: Call | None = None
        self._collection = ""
        self._fields: dict[str, Any] = {}
        self.why: Why | None = None
        self.title = ElidedLabel(theme, "", "heading")
        self.notice = Notice(theme, "info", "")
        self.report = WhyReport(theme)
        self.settings = WhySettings(theme)
        self.close_button = IconButton(theme, "x", "Close", keys="Esc")
        self._lay_out()
        self.close_button.clicked.connect(self.close_overlay)
        self.settings.run_asked.connect(self._run_again)
        self.settings.save_asked.connect(self._save)
        self.report.opened.connect(self._show_passage)

    @property
    def busy(self) -> bool:
        return self._call is not None

    def show_wish(self, wish: Wish) -> None:
        """Run a search with everything that leads to its results."""
        self._open_for(wish.query, wish.collection, wish.fields())
        self._run(wish.fields())

    def show_id(self, why_id: str, title: str, *, why: Why | None = None) -> None:
        """What led to an answer, by its id; when it is known already no question is asked."""
        self._open_for(title, "", {"query": title})
        if why is not None:
            self._came(why)
            return
        self._ask(lambda client: client.why(why_id))

    def focus_first(self) -> QWidget | None:
        return self.report.table

    def _open_for(self, title: str, collection: str, fields: dict[str, Any]) -> None:
        self.why, self._collection, self._fields = None, collection, fields
        self.title.setText(f"Why: {title}")
        self.notice.hide()
        self.open_centered(WIDTH, HEIGHT)

    def _run_again(self) -> None:
        fields = self.settings.fields(self._collection)
        if fields["query"]:
            self._run(fields)

    def _run(self, fields: dict[str, Any]) -> None:
        self._fields = fields

        async def work(client: Client) -> Why:
            from desktop.wire_files import WhyRequest

            return await client.why_files(WhyRequest.model_validate(fields))

        self._ask(work)

    def _ask(self, work: Any) -> None:
        if self._call is not None:
            self._call.cancel()
        self.settings.run.setEnabled(False)
        self._call = self._bridge.call(work, self._came, self._failed, owner=self)

    def _came(self, why: Why) -> None:
        self._call = None
        self.why = why
        self.settings.run.setEnabled(True)
        self.notice.hide()
        if not self._collection and len(why.collections) == 1:
            self._collection = why.collections[0]
        fields = {**self._fields, "query": why.query}
        self.settings.show_fields(fields, why.dense_weight, why.reranker)
        self.report.show_why(why)

    def _failed(self, failure: Failure) -> None:
        self._call = None
        self.settings.run.setEnabled(True)
        self.notice.show_message("error", failure.message, hint=failure.hint)
        self.notice.show()

    def _save(self, name: str) -> None:
        why = self.why
        if why is None:
            return
        collection = self._collection or (why.collections[0] if why.collections else "")
        kept = {key: value for key, value in self.settings.fields(collection).items() if value is not None}
        settings = {key: value for key, value in kept.items() if key not in ("query", "collection")}

        async def work(client: Client) -> Check:
            from desktop.wire_files import NewCheck

            check = NewCheck(
                name=name, collection=collection, query=why.query, settings=settings, expected=expected_of(why)[:20]
            )
            return await client.new_check(check)

        self._bridge.call(work, self._saved, self._failed, owner=self)

    def _saved(self, check: Check) -> None:
        words = f"“{check.name or check.query}” was saved. It is asked again after each indexing of {check.collection}."
        self.notice.show_message("success", words)
        self.notice.show()

    def _show_passage(self, candidate: CandidateRow) -> None:
        found = self._result_of(candidate)
        if found is not None:
            self.preview_asked.emit(found)

    def _result_of(self, candidate: CandidateRow) -> SearchResult | None:
        """The passage a candidate went into; a dropped one has none with a file of its own."""
        sources = self.why.sources if self.why is not None else []
        return next((one for one in sources if candidate.chunk_id in one.chunk_ids), None)

    def _lay_out(self) -> None:
        layout = self.panel.content
        head = row(margins=(24, 16, 14, 10), gap=8)
        head.addWidget(self.title, 1)
        head.addWidget(self.close_button)
        layout.addLayout(head)
        middle = row(margins=(0, 0, 1, 8))
        left = column(margins=(24, 0, 20, 16), gap=10)
        left.addWidget(self.notice)
        left.addWidget(self.report, 1)
        middle.addLayout(left, 1)
        middle.addWidget(self.settings)
        layout.addLayout(middle, 1)
