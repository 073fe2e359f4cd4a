"""The pictures of files: this checkout is indexed and searched, and made-up notes are asked for in a chat."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from desktop.qt.shell import MainWindow

SEARCH = "how often is text flushed while an answer streams?"
QUESTION = "Which locker number does Tidy Marmot have?"
NOTES = {
    "tidy-marmot.md": "# Tidy Marmot\n\nThe team met in the morning. The locker number of Tidy Marmot is 417-302.\n",
    "lists/lone-heron.md": "# Lone Heron\n\nNote that the access code of Lone Heron is 950-118.\n",
    "lists/ruby-kestrel.md": "# Ruby Kestrel\n\nFrom today the room number of Ruby Kestrel is 233-760.\n",
}
Save = Callable[["MainWindow", str], None]
Wait = Callable[[Callable[[], object]], None]


class FilePictures:
    """Each method goes on where the one before it stopped. `save(window, name)` writes a picture, `wait` waits."""

    def __init__(self, window: MainWindow, checkout: Path, scratch: Path, save: Save, wait: Wait) -> None:
        self._window = window
        self._page = window.files
        self._checkout = checkout
        self._scratch = scratch
        self._save = save
        self._wait = wait

    def page(self) -> None:
        """The page while a folder is being read, then in the dark with all of it read, and why it found what it did."""
        window, page = self._window, self._page
        window.show_page("files")
        self._wait(lambda: page.known.known)
        self._index(self._notes(), "notes")
        self._ready("notes")
        self._index(self._checkout / "docs", "docs")
        self._ready("docs")
        self._index(self._checkout / "desktop" / "qt", "desktop")
        self._wait(lambda: page.collection is not None and page.collection.name == "desktop")
        self._wait(lambda: self._far() > 0.5)
        self._search()
        self._save(window, "files-light")
        self._ready("desktop")
        self._wait(lambda: not window.toasts.toasts)
        window.theme.set_mode("dark")
        self._search()
        self._save(window, "files-dark")
        window.theme.set_mode("light")
        page.panel.why.click()
        self._wait(lambda: page.over.why.why is not None)
        page.over.why.report.table.selectRow(0)
        self._save(window, "why-light")
        page.over.why.close_overlay()

    def chat(self, model: Path) -> None:
        """An answer from files with its sources."""
        window = self._window
        window.show_page("chat")
        window.import_files([model])  # which changes nothing when it is in the library already
        self._wait(lambda: self._model_id(model))
        window.new_chat()
        window.chat.take_model(self._model_id(model))
        self._wait(lambda: window.store.models[self._model_id(model)].loaded)
        window.chat.column.asking.ask_collection("notes")
        window.chat.conversation.patch({"parameters": {"max_tokens": 60, "temperature": 0.0}})
        window.chat.column.composer.set_text(QUESTION)
        window.chat.column.composer.submit()
        chat = window.chat.conversation
        self._wait(lambda: chat.messages and not chat.busy)
        window.chat.inspector.sources.choose(1)
        self._wait(lambda: not window.toasts.toasts)
        self._save(window, "sources-light")

    def _model_id(self, file: Path) -> str:
        """The library's id of a file, "" while it is not there."""
        wanted = str(file.resolve())
        models = self._window.store.models.values()
        return next((model.id for model in models if str(Path(model.path).resolve()) == wanted), "")

    def _notes(self) -> Path:
        folder = self._scratch / "notes"
        for name, text in NOTES.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder

    def _index(self, folder: Path, name: str) -> None:
        """As somebody would who drops a folder: look at the plan, name the collection, start."""
        page = self._page
        page.take([folder])
        sheet = page.over.plan
        self._wait(lambda: sheet.plan is not None)
        sheet.target.choose(0)
        sheet.name.setText(name)
        sheet.start.click()

    def _ready(self, name: str) -> None:
        def is_ready() -> bool:
            collection = self._page.known.named(name)
            return collection is not None and collection.state == "ready" and collection.chunks > 0

        self._wait(is_ready)

    def _far(self) -> float:
        """How far the collection in view is read, 0 to 1; 1 as soon as it is ready."""
        collection = self._page.collection
        if collection is None or collection.state == "ready":
            return float(collection is not None and collection.chunks > 0)
        job = self._window.store.jobs.get(collection.job_id)
        return job.done / job.total if job is not None and job.total else 0.0

    def _search(self) -> None:
        panel = self._page.panel
        panel.ask(SEARCH)
        self._wait(lambda: not panel.retrieval.busy and panel.retrieval.answer is not None)
