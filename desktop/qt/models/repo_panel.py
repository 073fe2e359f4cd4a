"""The inspector for a repo of the Hub: its files, how each fits, what stands in its way, and the way to have it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QScrollArea, QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import Button
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.notice import Notice
from desktop.qt.components.states import Skeleton
from desktop.qt.figures import in_bytes
from desktop.qt.models.facts import Facts
from desktop.qt.models.job_actions import JobActions
from desktop.qt.models.repo_asker import RepoAsker
from desktop.qt.models.repo_words import LOCKED, access_words, action_of, in_window, repo_facts
from desktop.qt.models.variant_list import VariantList
from desktop.qt.store import Store
from desktop.qt.surface import Line, column, make_scroll, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_models import HubFit, HubRepo


class RepoPanel(QWidget):
    """Show a repo with `show_repo`. What leads elsewhere is asked of the window by signals."""

    use_asked = Signal(str)  # model id
    import_asked = Signal(list)  # paths
    card_asked = Signal(str)  # repo
    log_in_asked = Signal()
    link_asked = Signal(str)
    quantize_requested = Signal(str)  # model id

    def __init__(self, theme: Theme, bridge: Bridge, store: Store, jobs: JobActions) -> None:
        super().__init__()
        self._theme = theme
        self._store = store
        self._jobs = jobs
        self.repo_id = ""
        self.repo: HubRepo | None = None
        self._fits: dict[str, HubFit] = {}
        self._must_log_in = False
        self.asker = RepoAsker(bridge)
        self.name = ElidedLabel(theme, "", "title")
        self.about = Label(theme, "", "small", "text2", wrap=True)
        self.notice = Notice(theme, "info", "", narrow=True)
        self.variants = VariantList(theme)
        self.facts = Facts(theme)
        self._skeleton = Skeleton(theme, rows=6)
        self.main = Button(theme, "Download", "primary", icon="download")
        self.convert = Button(theme, "Convert to GGUF…", icon="shrink")
        self.read = Button(theme, "Read the model card", "ghost", icon="file-text", small=True)
        self.quantize = Button(theme, "Quantize and measure…", icon="shrink")
        self._lay_out()
        self._connect()

    def show_repo(self, repo_id: str, title: str = "") -> None:
        """Another repo; asks the Hub once it has been the one for a moment."""
        if repo_id == self.repo_id and (self.repo is not None or self.asker.waiting):
            return
        self.repo_id, self.repo = repo_id, None
        self._fits = {}
        self.name.setText(title or repo_id.partition("/")[2])
        self.about.setText(repo_id)
        self._show_parts()
        self.asker.ask(repo_id)

    def reload(self) -> None:
        """Ask again: a token came, or a download ended."""
        if self.repo_id:
            self.asker.ask_now()

    def take_repo(self, repo: HubRepo) -> None:
        """Show what the Hub said of a repo."""
        chosen = self.variants.current.name if self.variants.current and self.repo is not None else ""
        self.repo = repo
        self.name.setText(self.name.text() or repo.name)
        memory = self._memory()
        if repo.variants:
            share = f" Memory bar: share of {in_bytes(memory).replace('.0 ', ' ')}." if memory else ""
            self.about.setText(f"Pick a file.{share}")
        else:
            self.about.setText(repo.repo)
        self.variants.show_variants(repo.variants, memory, chosen)
        for name, found in self._fits.items():
            self.variants.variants.take_fit(name, found.fit)
        self._show_parts()
        self._variant_chosen()

    def _fit_came(self, name: str, found: HubFit) -> None:
        self._fits[name] = found
        self.variants.variants.take_fit(name, found.fit)
        self._show_facts()

    def _failed(self, failure: Failure) -> None:
        self._skeleton.hide()
        self._must_log_in = failure.kind == "hub_login_needed"
        if self._must_log_in:
            self.notice.show_message("warning", failure.message, hint=in_window(failure.hint), action="Log in…")
        else:
            self.notice.show_message("error", failure.message, hint=in_window(failure.hint), action="Try again")
        self.notice.show()

    # -- showing -----------------------------------------------------------------------------------------------------

    def _memory(self) -> int:
        return self._store.status.memory.total_bytes if self._store.status is not None else 0

    def _show_parts(self) -> None:
        repo = self.repo
        self._skeleton.setVisible(repo is None)
        self.variants.setVisible(repo is not None and bool(repo.variants))
        self.facts.setVisible(repo is not None)
        self.read.setVisible(repo is not None)
        self.main.setVisible(repo is not None and bool(repo.variants))
        self.quantize.setEnabled(False)
        self.convert.setVisible(repo is not None and repo.convertible and not repo.variants)
        self._show_access()

    def _show_access(self) -> None:
        words = access_words(self.repo) if self.repo is not None else None
        self.notice.setVisible(words is not None)
        if words is not None:
            self.notice.show_message(words.level, words.message, hint=words.hint, action=words.action)

    def _variant_chosen(self) -> None:
        variant = self.variants.current
        act, words = action_of(variant)
        self.main.set_text(words)
        self.main.set_icon("download" if act == "download" else "check" if act else "")
        locked = self.repo is not None and self.repo.access in LOCKED
        job = self._jobs.of_subject(self.repo_id)
        if job is not None and act == "download":
            self.main.set_text("Downloading…" if job.state in ("pending", "running") else "Resume the download")
        self.main.setEnabled(bool(act) and not (locked and act == "download"))
        made = bool(variant is not None and variant.installed in self._store.models)
        self.quantize.setEnabled(made)
        self.quantize.setToolTip("" if made else "Download a file of 16 or 32 bits first; it is made from that.")
        self._show_facts()
        if variant is not None and variant.files and variant.name not in self._fits and not locked and self.repo:
            self.asker.ask_fit(self.repo, variant.name, variant.files[0].path)

    def _show_facts(self) -> None:
        if self.repo is None:
            return
        variant = self.variants.current
        model = self._store.models.get(variant.installed) if variant is not None else None
        fit = self._fits.get(variant.name) if variant is not None else None
        self.facts.show_facts(repo_facts(self.repo, variant, fit, model.kl_divergence if model else None))

    # -- doing -------------------------------------------------------------------------------------------------------

    def press_main(self) -> None:
        """Download, use, or use in place: what the main button says."""
        variant, repo = self.variants.current, self.repo
        if variant is None or repo is None or not self.main.isEnabled():
            return
        act, _ = action_of(variant)
        job = self._jobs.of_subject(self.repo_id)
        if act == "use":
            self.use_asked.emit(variant.installed)
        elif act == "in_place":
            self.import_asked.emit([Path(variant.on_disk)])
        elif job is not None and job.can_resume and job.state in ("paused", "interrupted"):
            self._jobs.resume(job.id)
        else:
            self._jobs.download(repo.repo, variant.name, repo.commit)

    def _press_notice(self) -> None:
        repo = self.repo
        if repo is None:
            if self._must_log_in:
                self.log_in_asked.emit()
            else:
                self.notice.hide()
                self._skeleton.show()
                self.asker.ask_now()
        elif repo.access == "log_in":
            self.log_in_asked.emit()
        elif repo.access == "accept_licence":
            self.link_asked.emit(repo.licence_url or repo.url)

    def _convert(self) -> None:
        if self.repo is not None:
            self._jobs.start("convert", {"repo": self.repo.repo, "out_type": "auto"}, f"Converting {self.repo.repo}")

    def _quantize(self) -> None:
        if self.variants.current is not None and self.variants.current.installed:
            self.quantize_requested.emit(self.variants.current.installed)

    def _connect(self) -> None:
        self.asker.repo_came.connect(self.take_repo)
        self.asker.failed.connect(self._failed)
        self.asker.fit_came.connect(self._fit_came)
        self.variants.chosen.connect(lambda _name: self._variant_chosen())
        self.variants.taken.connect(lambda _name: self.press_main())
        self.main.clicked.connect(self.press_main)
        self.convert.clicked.connect(self._convert)
        self.quantize.clicked.connect(self._quantize)
        self.read.clicked.connect(lambda: self.card_asked.emit(self.repo_id))
        self.notice.action_clicked.connect(self._press_notice)
        self.facts.link_asked.connect(self.link_asked)
        self._store.job_changed.connect(self._job_changed)

    def _job_changed(self, job: object) -> None:
        if getattr(job, "subject", "") == self.repo_id and self.repo is not None:
            if getattr(job, "state", "") == "done":
                self.reload()
            else:
                self._variant_chosen()

    def _lay_out(self) -> None:
        theme = self._theme
        layout = column(self)
        inside = QWidget()
        body = column(inside, margins=(16, 0, 16, 12), gap=8)
        head = column(margins=(16, 14, 16, 8), gap=2)
        head.addWidget(self.name)
        head.addWidget(self.about)
        body.addWidget(self.notice)
        body.addWidget(self._skeleton)
        body.addWidget(self.variants)
        body.addWidget(Line(theme))
        body.addWidget(self.facts)
        reader = row()
        reader.addWidget(self.read)
        reader.addStretch(1)
        body.addLayout(reader)
        body.addStretch(1)
        layout.addLayout(head)
        layout.addWidget(make_scroll(QScrollArea(), inside), 1)
        foot = column(margins=(16, 8, 16, 14), gap=8)
        foot.addWidget(self.main)
        foot.addWidget(self.convert)
        foot.addWidget(self.quantize)
        layout.addLayout(foot)
