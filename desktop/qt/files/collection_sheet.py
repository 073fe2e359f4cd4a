"""The settings of a collection: name, folders, rules, embedder with what changing it costs, reranker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from desktop.qt.bridge import Bridge
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.dialog import Dialog
from desktop.qt.components.field import Field
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.toggle import Toggle
from desktop.qt.figures import time_left
from desktop.qt.files.actions import FileActions
from desktop.qt.files.known import KnownFiles
from desktop.qt.files.rules_form import RulesForm
from desktop.qt.files.words import counted
from desktop.qt.models.page_view import ChoiceButton
from desktop.qt.overlay import Overlay
from desktop.qt.surface import Line, clear, column, make_scroll, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import Collection, EmbedderChoice, Root

WIDTH = 620
HEIGHT = 620
NO_RERANKER = "None"
REMOVE_ROOT = (
    "What was read of it is taken out of the index, and a receipt proves that it is gone. The files are not touched."
)


class CollectionSheet(Overlay):
    """Opens with `show_collection`; Save changes only what is another."""

    def __init__(self, theme: Theme, host: QWidget, bridge: Bridge, known: KnownFiles, actions: FileActions) -> None:
        super().__init__(theme, host, "Settings of the collection", dim=True)
        self._known = known
        self._actions = actions
        self._collection: Collection | None = None
        self._embedders: list[EmbedderChoice] = []
        self._reranker_ids: list[str] = []
        self._title = ElidedLabel(theme, "", "heading")
        self.name = Field(theme, "Name of the collection", "Name")
        self.rules = RulesForm(theme)
        self.embedder = ChoiceButton(theme, "Embedder", ["–"])
        self.cost = Label(theme, "", "small", "text2", wrap=True)
        self.reranker = ChoiceButton(theme, "Reranker", [NO_RERANKER])
        self.watch = Toggle(theme, "Watch for changes", show_name=False)
        self.local_only = Toggle(theme, "Never leaves this computer", show_name=False)
        self.roots = column(gap=4)
        self.problem = Label(theme, "", "small", "danger", wrap=True)
        self.save = Button(theme, "Save", "primary")
        self.cancel = Button(theme, "Cancel")
        self.close_button = IconButton(theme, "x", "Close", keys="Esc")
        self._scroll = QScrollArea()
        self._about: dict[str, QWidget] = {}
        self._lay_out()
        self._connect()

    def show_collection(self, collection: Collection, *, about: str = "settings") -> None:
        """Show the settings of this one; `about`: "rename", "folders" or "settings" is what has the focus."""
        self._known.ask_choices()
        self._collection = collection
        self._title.setText(collection.name)
        self.name.setText(collection.name)
        self.name.set_error("")
        self.rules.show_rules(collection.rules.model_dump())
        self.watch.setChecked(collection.watch)
        self.local_only.setChecked(collection.local_only)
        self.problem.hide()
        self._show_choices()
        self._show_roots()
        self.open_centered(WIDTH, HEIGHT)
        self._focus_on(about)

    def changes(self) -> dict[str, Any]:
        """What is another than it was, as CollectionPatch has it."""
        collection = self._collection
        if collection is None:
            return {}
        rules = self.rules.rules
        now: dict[str, Any] = {
            "name": self.name.text().strip(),
            "watch": self.watch.isChecked(),
            "local_only": self.local_only.isChecked(),
            "embedder": self._chosen_embedder(),
            "reranker": self._reranker_ids[self.reranker.index] if self._reranker_ids else collection.reranker,
        }
        found = {name: value for name, value in now.items() if value != getattr(collection, name)}
        return {**found, "rules": rules} if rules != collection.rules.model_dump() else found

    def focus_first(self) -> QWidget | None:
        return self.name

    def _chosen_embedder(self) -> str:
        collection = self._collection
        assert collection is not None
        if not self._embedders:
            return collection.embedder
        return self._embedders[self.embedder.index].id

    def _show_choices(self) -> None:
        collection = self._collection
        if collection is None:
            return
        usable = [one for one in self._known.embedders if one.available or one.id == collection.embedder]
        self._embedders = usable
        at = next((number for number, one in enumerate(usable) if one.id == collection.embedder), 0)
        names = [embedder_words(one) for one in usable] or [collection.embedder_name or collection.embedder]
        self.embedder.set_choices(names, at)
        self.embedder.setEnabled(len(usable) > 1)
        rerankers = [one for one in self._known.rerankers if one.available or one.id == collection.reranker]
        self._reranker_ids = ["", *(one.id for one in rerankers)]
        chosen = self._reranker_ids.index(collection.reranker) if collection.reranker in self._reranker_ids else 0
        self.reranker.set_choices([NO_RERANKER, *(one.name for one in rerankers)], chosen)
        self.reranker.setEnabled(bool(rerankers))
        self._show_cost()

    def _show_cost(self) -> None:
        collection = self._collection
        if collection is None or not self._embedders:
            self.cost.setText("")
            return
        self.cost.setText(cost_words(collection, self._embedders[self.embedder.index]))

    def _show_roots(self) -> None:
        clear(self.roots)
        collection = self._collection
        for root in collection.roots if collection is not None else ():
            self.roots.addWidget(self._root(root))

    def _root(self, root: Root) -> QWidget:
        holder = QWidget()
        layout = row(holder, gap=8)
        words = column(gap=0)
        path = ElidedLabel(self.theme, root.path)
        words.addWidget(path)
        state = root.problem or f"{counted(root.files, 'file')}{', watching' if root.watching else ''}"
        words.addWidget(Label(self.theme, state, "small", "danger" if root.problem else "text2"))
        layout.addLayout(words, 1)
        remove = IconButton(self.theme, "x", f"Remove {root.path} from the index", size=28, icon_size=16)
        remove.clicked.connect(lambda: self._ask_to_remove(root))
        layout.addWidget(remove)
        return holder

    def _ask_to_remove(self, root: Root) -> None:
        collection = self._collection
        if collection is None:
            return
        dialog = Dialog(self.theme, f"Remove {root.path} from the index?", REMOVE_ROOT, self.window())
        dialog.finished.connect(dialog.deleteLater)
        dialog.add_cancel()
        dialog.add_accept("Remove", "danger")
        dialog.accepted.connect(lambda: self._actions.remove_paths(collection.name, [root.path]))
        dialog.accepted.connect(self.close_overlay)
        dialog.open()

    def _save(self) -> None:
        collection, changes = self._collection, self.changes()
        if collection is None:
            return
        if not self.name.text().strip():
            self.name.set_error("A collection needs a name.")
            self.problem.setText("A collection needs a name.")
            self.problem.show()
            return
        if changes:
            self._actions.change(collection.id, changes, self.close_overlay)
        else:
            self.close_overlay()

    def _refused(self, _what: str, failure: object) -> None:
        if self.isVisible():
            message, hint = getattr(failure, "message", ""), getattr(failure, "hint", "")
            self.problem.setText(" ".join(part for part in (message, hint) if part))
            self.problem.show()

    def _focus_on(self, about: str) -> None:
        target = self._about.get(about)
        if target is not None:
            self._scroll.ensureWidgetVisible(target)
            target.setFocus(Qt.FocusReason.OtherFocusReason)
        if about == "rename":
            self.name.selectAll()

    def _connect(self) -> None:
        self.embedder.changed.connect(lambda _index: self._show_cost())
        self._known.choices_changed.connect(self._choices_came)
        self._actions.refused.connect(self._refused)
        self.name.returnPressed.connect(self._save)
        self.save.clicked.connect(self._save)
        self.cancel.clicked.connect(self.close_overlay)
        self.close_button.clicked.connect(self.close_overlay)

    def _choices_came(self) -> None:
        if self.isVisible() and self.embedder.choices[:1] and not self._embedder_touched():
            self._show_choices()

    def _embedder_touched(self) -> bool:
        collection = self._collection
        return bool(collection and self._embedders and self._chosen_embedder() != collection.embedder)

    def _lay_out(self) -> None:
        layout = self.panel.content
        head = row(margins=(24, 18, 14, 10), gap=8)
        head.addWidget(self._title, 1)
        head.addWidget(self.close_button)
        layout.addLayout(head)
        inside = QWidget()
        body = column(inside, margins=(24, 0, 24, 16), gap=8)
        self._section(body, "Name", self.name)
        body.addWidget(Label(self.theme, "Folders and files", "label"))
        body.addLayout(self.roots)
        body.addSpacing(6)
        self._section(body, "What is read", self.rules)
        body.addWidget(Label(self.theme, "Embedder", "label"))
        body.addLayout(_left(self.embedder))
        body.addWidget(self.cost)
        body.addSpacing(6)
        body.addWidget(Label(self.theme, "Reranker", "label"))
        body.addLayout(_left(self.reranker))
        body.addSpacing(6)
        for words, toggle in (("Watch for changes", self.watch), ("Never leaves this computer", self.local_only)):
            line = row()
            line.addWidget(Label(self.theme, words), 1)
            line.addWidget(toggle)
            body.addLayout(line)
        body.addWidget(self.problem)
        body.addStretch(1)
        make_scroll(self._scroll, inside)
        layout.addWidget(self._scroll, 1)
        layout.addWidget(Line(self.theme))
        foot = row(margins=(24, 12, 24, 12), gap=8)
        foot.addStretch(1)
        foot.addWidget(self.cancel)
        foot.addWidget(self.save)
        layout.addLayout(foot)
        self._about = {"rename": self.name, "settings": self.embedder}

    def _section(self, body: QVBoxLayout, words: str, widget: QWidget) -> None:
        body.addWidget(Label(self.theme, words, "label"))
        body.addWidget(widget)
        body.addSpacing(6)


def _left(widget: QWidget):  # type: ignore[no-untyped-def]
    line = row()
    line.addWidget(widget)
    line.addStretch(1)
    return line


def embedder_words(choice: EmbedderChoice) -> str:
    """ "all-MiniLM-L6-v2, 384 dimensions"."""
    return f"{choice.name}, {choice.dimensions} dimensions" if choice.dimensions else choice.name


def cost_words(collection: Collection, choice: EmbedderChoice) -> str:
    """What changing to this embedder costs; of the one in use what is known of it."""
    if choice.id == collection.embedder:
        parts = [choice.runtime, f"{choice.chunks_per_s:.0f} chunks/s here" if choice.chunks_per_s else "", choice.note]
        return ", ".join(part for part in parts if part)
    seconds = collection.chunks / choice.chunks_per_s if choice.chunks_per_s else None
    left = time_left(seconds).removesuffix(" left")
    about = f", about {left}" if left and collection.chunks else ""
    words = f"{counted(collection.chunks, 'chunk')} will be embedded again{about}. The old index answers until then."
    return f"{words} {choice.note}".strip()
