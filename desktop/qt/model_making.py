"""What is made of a model in the window: quantizations by the panel, and adapters attached in the inspector.

Both are built when they are first asked for: a window that only chats pays nothing for them.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from desktop.qt.adapters.box import AdapterBox
from desktop.qt.bridge import Bridge
from desktop.qt.components.label import Label
from desktop.qt.models.local_panel import LocalPanel
from desktop.qt.quantize.panel import QuantizePanel
from desktop.qt.store import Store
from desktop.qt.surface import Line
from desktop.qt.theme import Theme

ADAPTERS = "Adapters (*.gguf *.safetensors adapter_config.json);;All files (*)"
TEXTS = "Texts (*.txt *.md *.jsonl);;All files (*)"


class ModelMaking(QObject):
    """`use_asked(model_id)`: chat with what was made."""

    use_asked = Signal(str)

    def __init__(self, theme: Theme, window: QWidget, store: Store, bridge: Bridge, place: LocalPanel) -> None:
        super().__init__(window)
        self._theme = theme
        self._window = window
        self._store = store
        self._bridge = bridge
        self._place = place
        self.panel: QuantizePanel | None = None
        self.adapters: AdapterBox | None = None
        place.model_shown.connect(self._model_shown)

    def quantize(self, model_id: str) -> None:
        """Open the panel for this model. One that was quantized shows its source's, where that is here."""
        if self.panel is None:
            self.panel = QuantizePanel(self._theme, self._window, self._store, self._bridge)
            self.panel.use_asked.connect(self._use)
            self.panel.choose_text_asked.connect(self._choose_text)
        model = self._store.models.get(model_id)
        source = model.source_model if model is not None and model.source_model in self._store.models else ""
        self.panel.open_for(source or model_id)

    def _use(self, model_id: str) -> None:
        if self.panel is not None:
            self.panel.close_overlay()
        self.use_asked.emit(model_id)

    def _model_shown(self, model_id: str) -> None:
        if self.adapters is None:
            self.adapters = AdapterBox(self._theme, self._store, self._bridge)
            self.adapters.add_asked.connect(self._choose_adapter)
            self._place.extras.addWidget(Line(self._theme))
            self._place.extras.addWidget(Label(self._theme, "Adapters", "label"))
            self._place.extras.addWidget(self.adapters)
        model = self._store.models.get(model_id)
        self.adapters.show_model(model_id if model is not None and model.kind == "chat" else "")

    def _choose_text(self) -> None:
        dialog = QFileDialog(self._window, "Text for the importance matrix", str(Path.home()), TEXTS)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._text_chosen)
        dialog.rejected.connect(lambda: self._text_chosen(""))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _text_chosen(self, path: str) -> None:
        if self.panel is not None:
            self.panel.set_text(path)

    def _choose_adapter(self) -> None:
        dialog = QFileDialog(self._window, "Add an adapter", str(Path.home()), ADAPTERS)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._adapter_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _adapter_chosen(self, path: str) -> None:
        if self.adapters is not None:
            # of a PEFT adapter one of its files was chosen; what is taken in is the folder
            self.adapters.add(path if path.endswith(".gguf") else str(Path(path).parent))
