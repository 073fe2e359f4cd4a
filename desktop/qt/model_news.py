"""What happens to the library, told by toasts: files that came or were refused, models that left, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Failure
from desktop.qt.components.dialog import Dialog
from desktop.qt.components.toast import ToastHost
from desktop.qt.imports import Imports
from desktop.qt.model_actions import ModelActions
from desktop.qt.model_words import not_added, title_of
from desktop.qt.models.store_words import removal_words
from desktop.qt.store import Store
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Job, Model, RemovedModel
    from desktop.wire_models import DiskModel


class ModelNews(QObject):
    """`chat_asked(id)` when a new model is taken for the chat in view.

    `takes_first(id)` says whether the chat in view waits for a model: then it gets the new one unasked.
    `told()` says whether failures are in view already, on the page of the models.
    """

    chat_asked = Signal(str)

    def __init__(
        self,
        store: Store,
        imports: Imports,
        actions: ModelActions,
        toasts: ToastHost,
        *,
        takes_first: Callable[[str], bool],
        told: Callable[[], bool],
    ) -> None:
        super().__init__(toasts)
        self._store = store
        self._imports = imports
        self._toasts = toasts
        self._takes_first = takes_first
        self._told = told
        imports.finished.connect(self._import_ended)
        imports.refused.connect(self._refused)
        actions.removed.connect(self._removed)

    def _import_ended(self, job: Job) -> None:
        name = Path(self._imports.file_of(job.id)).name
        if job.state == "failed":
            self._tell_failed(name, job.error, job.hint)
        elif job.state == "done":
            model = (job.result or {}).get("model") or {}
            self._offer(str(model.get("id", "")), str(model.get("name", "")) or name)

    def _refused(self, path: str, failure: Failure) -> None:
        self._tell_failed(Path(path).name, failure.message, failure.hint)

    def _tell_failed(self, name: str, reason: str, hint: str) -> None:
        if not self._told():
            self._toasts.show_toast(f"{not_added(name, reason)} {hint}".strip())

    def _offer(self, model_id: str, name: str) -> None:
        self._store.ask_models()
        if self._takes_first(model_id):
            self.chat_asked.emit(model_id)
            self._toasts.show_toast(f"{name} is ready to chat with.")
            return
        self._toasts.show_toast(
            f"{name} was added.", undo=lambda: self.chat_asked.emit(model_id), action="Use in this chat"
        )

    def _removed(self, removed: RemovedModel) -> None:
        path = Path(removed.path)
        if removed.file_deleted:
            self._toasts.show_toast(f"{path.name} was deleted.")
        else:
            self._toasts.show_toast(f"{path.name} left the library.", undo=lambda: self._imports.start([path]))


def ask_to_remove(
    theme: Theme, model: Model | None, actions: ModelActions, *, ours: Path, use: DiskModel | None, parent: QWidget
) -> None:
    """Ask before a model leaves; says whether its file below `ours` is deleted, what that frees, or that it stays."""
    if model is None:
        return
    deletes = ours in Path(model.path).parents
    text = removal_words(use, model.path, deletes=deletes)
    dialog = Dialog(theme, f"Remove {title_of(model)} from the library?", text, parent)
    dialog.finished.connect(dialog.deleteLater)
    dialog.add_cancel()
    dialog.add_accept("Delete file" if deletes else "Remove", "danger")
    dialog.accepted.connect(lambda: actions.remove(model.id))
    dialog.open()
